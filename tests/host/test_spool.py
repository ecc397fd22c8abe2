from pathlib import Path

import pytest

from agent.errors import FailedError
from agent.host.spool import Spool


def test_what_is_written_is_read_and_removed_with_all_that_is_beside_it(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    assert spool.captures() == []
    spool.write("c-1", "request.json", b"{}")
    (spool.place("c-1") / "bundle.tar.gz").write_bytes(b"x")
    assert spool.captures() == ["c-1"]
    assert (spool.read("c-1", "request.json"), spool.read("c-1", "none")) == (b"{}", None)
    assert spool.place("c-1").stat().st_mode & 0o777 == 0o700
    spool.remove("c-1")
    assert spool.captures() == []


def test_strangers_are_removed_without_being_followed(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    spool.place("a")
    (tmp_path / "kept").mkdir()
    (tmp_path / "spool/link").symlink_to(tmp_path / "kept")
    (tmp_path / "spool/file").touch()
    for name in spool.captures():
        spool.remove(name)
    spool.remove("never-there")
    assert spool.captures() == []
    assert (tmp_path / "kept").is_dir()


def test_a_place_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FailedError, match="Not a directory"):
        Spool(tmp_path / "file").place("c-1")
