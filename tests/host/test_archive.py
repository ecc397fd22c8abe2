import hashlib
import tarfile
from pathlib import Path

import pytest

from agent.host.archive import Archive
from agent.host.scratch import Scratch
from agent.outputs import Keep

LINES = b"".join(b"line %d\n" % number for number in range(10_000))


def scratch(folder: Path, keep: Keep, limit: int) -> Scratch:
    made = Scratch(folder / "output", limit=limit, keep=keep)
    for start in range(0, len(LINES), 777):
        if not made.write(LINES[start : start + 777]):
            break
    made.finish()
    return made


@pytest.mark.parametrize("keep", Keep)
@pytest.mark.parametrize("limit", [len(LINES), len(LINES) + 1])
def test_what_fits_is_kept_whole(tmp_path: Path, keep: Keep, limit: int) -> None:
    made = scratch(tmp_path, keep, limit)
    assert b"".join(made.chunks()) == LINES
    assert (made.size, made.truncated) == (len(LINES), False)
    assert made.sha256() == hashlib.sha256(LINES).hexdigest()


@pytest.mark.parametrize("limit", [1, 1000, 50_000])
def test_the_head_or_the_tail_is_kept_and_the_disk_holds_no_more(tmp_path: Path, limit: int) -> None:
    head, expected = scratch(tmp_path, Keep.HEAD, limit), LINES[:limit]
    assert (b"".join(head.chunks()), head.truncated) == (expected, True)
    tail = scratch(tmp_path, Keep.TAIL, limit)
    assert (b"".join(tail.chunks()), tail.truncated) == (LINES[-limit:], True)
    assert (tmp_path / "output").stat().st_size == limit


def test_secrets_are_cut_before_they_reach_the_disk(tmp_path: Path) -> None:
    made = Scratch(tmp_path / "output", limit=1000, keep=Keep.HEAD)
    made.write(b"password=hunter22 \xff")
    made.finish()
    assert (tmp_path / "output").read_bytes() == b"password=<redacted> \xff"
    assert (made.redactions, made.bytes_read) == (1, 19)


def test_discarded_content_leaves_nothing(tmp_path: Path) -> None:
    scratch(tmp_path, Keep.HEAD, 10).discard()
    assert list(tmp_path.iterdir()) == []


def test_an_archive_is_read_by_tar_and_says_its_size_and_hash(tmp_path: Path) -> None:
    names = ["a/b.txt", "log/" + "deep/" * 40 + "x", "bad\udcff\nname", "empty"]
    with Archive(tmp_path / "a.tar.gz") as archive:
        for name in names:
            content = b"" if name == "empty" else name.encode(errors="surrogateescape") * 100
            archive.add(name, iter([content]), size=len(content), modified=1.5)
        sealed = archive.seal()
    data = (tmp_path / "a.tar.gz").read_bytes()
    assert (sealed.size, sealed.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    with tarfile.open(tmp_path / "a.tar.gz") as read:
        assert read.getnames() == names
        assert all(member.isreg() and member.mode == 0o640 for member in read)
        extracted = read.extractfile("a/b.txt")
        assert extracted is not None
        assert extracted.read() == b"a/b.txt" * 100


def test_the_same_content_makes_the_same_archive(tmp_path: Path) -> None:
    hashes = set()
    for name in ("one", "two"):
        with Archive(tmp_path / name) as archive:
            archive.add("a", iter([LINES]), size=len(LINES), modified=1)
            hashes.add(archive.seal().sha256)
    assert len(hashes) == 1


def test_an_entry_of_another_size_than_announced_is_a_defect(tmp_path: Path) -> None:
    with Archive(tmp_path / "a") as archive, pytest.raises(AssertionError, match="were announced"):
        archive.add("a", iter([b"abc"]), size=4, modified=1)
