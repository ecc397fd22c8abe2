import hashlib
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.host.archive import Archive, Sealed

WORDS = b"some words of a log line, again and again\n"


def make(path: Path, entries: dict[str, list[bytes]]) -> Sealed:
    with Archive(path) as archive:
        for name, pieces in entries.items():
            archive.begin(name, 1_700_000_000.5)
            for piece in pieces:
                archive.write(memoryview(piece))
            archive.end()
        return archive.seal()


def read(path: Path, mode: str = "r:gz") -> dict[str, bytes]:
    with tarfile.open(path, mode) as bundle:  # type: ignore[call-overload]
        return {entry.name: bundle.extractfile(entry).read() for entry in bundle}


def test_an_archive_is_read_by_tar_and_says_its_size_and_hash(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    sealed = make(path, {"a/b": [b"one\n"], "empty": [], "c": [b"two\n" * 100_000]})
    content = path.read_bytes()
    assert (sealed.size, sealed.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    listed = subprocess.run(["tar", "-tvzf", path], check=True, capture_output=True, text=True)
    assert [line.split()[0] for line in listed.stdout.splitlines()] == ["-rw-r-----"] * 3
    assert listed.stderr == ""
    subprocess.run(["gzip", "-t", path], check=True)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.lists(st.integers(0, 200_000), max_size=4), max_size=5))
def test_long_and_short_entries_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[list[int]]
) -> None:
    # Entries above 256 KiB get their header when they have ended.
    path = tmp_path_factory.mktemp("archive") / "a.tar.gz"
    entries = {
        f"{'x' * 120 * (number % 2)}{number}": [(WORDS * (size // len(WORDS) + 1))[:size] for size in pieces]
        for number, pieces in enumerate(sizes)
    }
    make(path, entries)
    for mode in ("r:gz", "r|gz"):
        assert read(path, mode) == {name: b"".join(pieces) for name, pieces in entries.items()}


def test_odd_names_are_kept_byte_for_byte(tmp_path: Path) -> None:
    name = "pods/bad\udcff\nname" + "x" * 200
    make(tmp_path / "a.tar.gz", {name: [WORDS * 10_000]})
    assert list(read(tmp_path / "a.tar.gz")) == [name]


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = (make(tmp_path / name, {"a": [WORDS * 20_000], "b": [b"x"]}) for name in ("1", "2"))
    assert first.sha256 == second.sha256
