import gzip
from pathlib import Path

import pytest

from agent.errors import FailedError
from agent.host import compress


def test_a_file_becomes_its_gzip(tmp_path: Path) -> None:
    (tmp_path / "raw").write_bytes(b"packets " * 99_999)
    compress.move_compressed(tmp_path / "raw", tmp_path / "raw.gz")
    assert gzip.decompress((tmp_path / "raw.gz").read_bytes()) == b"packets " * 99_999
    assert [path.name for path in tmp_path.iterdir()] == ["raw.gz"]


def test_what_cannot_be_written_leaves_no_half(tmp_path: Path) -> None:
    with pytest.raises(FailedError, match="cannot compress"):
        compress.move_compressed(tmp_path / "none", tmp_path / "none.gz")
    assert list(tmp_path.iterdir()) == []
