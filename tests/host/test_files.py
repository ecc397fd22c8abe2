import fcntl
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from agent.errors import FailedError
from agent.host import files
from agent.model import FileSpec


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_new_file_has_its_content_and_mode_and_leaves_nothing_else(tmp_path: Path) -> None:
    assert files.write_file(FileSpec("/etc/a/b.conf", b"one\n", 0o600), root=tmp_path)
    target = tmp_path / "etc/a/b.conf"
    assert target.read_bytes() == b"one\n"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert names(target.parent) == ["b.conf"]


def test_the_same_again_changes_nothing(tmp_path: Path) -> None:
    spec = FileSpec("/b.conf", b"one\n")
    assert files.write_file(spec, root=tmp_path)
    before = (tmp_path / "b.conf").stat()
    assert not files.write_file(spec, root=tmp_path)
    after = (tmp_path / "b.conf").stat()
    assert (after.st_ino, after.st_mtime_ns, after.st_mode) == (before.st_ino, before.st_mtime_ns, before.st_mode)


@pytest.mark.parametrize("other", [FileSpec("/b.conf", b"two\n"), FileSpec("/b.conf", b"one\n", 0o600)])
def test_other_content_or_mode_is_a_change(tmp_path: Path, other: FileSpec) -> None:
    files.write_file(FileSpec("/b.conf", b"one\n"), root=tmp_path)
    assert files.write_file(other, root=tmp_path)


def test_a_link_in_the_place_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("keep")
    (tmp_path / "b.conf").symlink_to("precious")
    assert files.write_file(FileSpec("/b.conf", b"keep"), root=tmp_path)
    assert not (tmp_path / "b.conf").is_symlink()
    assert (tmp_path / "precious").read_text() == "keep"


def test_what_a_killed_writer_left_is_written_over(tmp_path: Path) -> None:
    (tmp_path / ".node-agent").mkdir()
    (tmp_path / ".node-agent/b.conf").write_text("half")
    assert files.write_file(FileSpec("/b.conf", b"whole"), root=tmp_path)
    assert names(tmp_path) == ["b.conf"]


def test_a_write_that_fails_says_where_and_leaves_the_old_content(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/kept").write_text("old")
    with pytest.raises(FailedError, match=r"cannot write .*/a"):
        files.write_file(FileSpec("/a", b"new"), root=tmp_path)
    assert (tmp_path / "a/kept").read_text() == "old"
    assert names(tmp_path) == ["a"]


def test_only_changed_paths_are_returned(tmp_path: Path) -> None:
    specs = [FileSpec("/a", b"1"), FileSpec("/b", b"2")]
    assert files.write_files(specs, root=tmp_path) == {"/a", "/b"}
    assert files.write_files([FileSpec("/a", b"1"), FileSpec("/b", b"3")], root=tmp_path) == {"/b"}


def test_removing_says_whether_it_was_there(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    assert files.remove_file("/a", root=tmp_path)
    assert not files.remove_file("/a", root=tmp_path)


def test_a_read_stops_at_its_limit(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"0123456789")
    assert files.read_regular(tmp_path / "a", limit=4) == b"0123"


def test_what_is_no_regular_file_counts_as_none(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("/etc/passwd")
    (tmp_path / "loop").symlink_to("loop")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        for name in ("fifo", "link", "loop", "socket", "missing", "missing/below", "."):
            assert files.read_regular(tmp_path / name, limit=10) is None, name
    assert files.read_regular(Path("/dev/null"), limit=10) is None


def test_text_that_is_not_utf8_is_still_text(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"ab\xff")
    assert files.read_text(tmp_path / "a") == "ab\ufffd"


def test_a_large_file_is_copied_whole_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"x" * 3_000_000)
    ticks: list[int] = []
    files.copy_file(tmp_path / "source", tmp_path / "new/target", mode=0o640, tick=lambda: ticks.append(1))
    assert ticks
    assert (tmp_path / "new/target").read_bytes() == b"x" * 3_000_000
    assert (tmp_path / "new/target").stat().st_mode & 0o777 == 0o640
    with pytest.raises(FailedError, match="cannot write"):
        files.copy_file(tmp_path / "none", tmp_path / "new/target", mode=0o640, tick=ticks.clear)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["target"]
    assert files.free_bytes(tmp_path) > 0


def test_a_copy_that_is_given_up_leaves_nothing(tmp_path: Path) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    (tmp_path / "source").write_bytes(b"x" * 3_000_000)
    with pytest.raises(KeyboardInterrupt):
        files.copy_file(tmp_path / "source", tmp_path / "new/target", mode=0o640, tick=stop)
    assert list((tmp_path / "new").iterdir()) == []


def test_a_tree_goes_with_all_that_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/c").write_text("x")
    (tmp_path / "kept").mkdir()
    (tmp_path / "a/link").symlink_to(tmp_path / "kept")
    assert files.remove_tree("/a", root=tmp_path)
    assert not files.remove_tree("/a", root=tmp_path)
    assert names(tmp_path) == ["kept"]
    (tmp_path / "link").symlink_to("kept")
    assert files.remove_tree("/link", root=tmp_path)
    assert names(tmp_path) == ["kept"]


@pytest.mark.netns
def test_what_is_mounted_in_a_tree_stays(tmp_path: Path) -> None:
    mounted = tmp_path / "a/mounted"
    mounted.mkdir(parents=True)
    (tmp_path / "a/file").write_text("x")
    script = """
        mount -t tmpfs tmpfs "$1/a/mounted" && touch "$1/a/mounted/kept"
        "$2" -c 'import sys; from pathlib import Path; from agent.host import files
files.remove_tree("/a", root=Path(sys.argv[1]))' "$1"
        ls "$1/a" "$1/a/mounted"
    """
    argv = ["unshare", "--mount", "sh", "-ec", script, "sh", str(tmp_path), sys.executable]
    assert subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split() == [
        *(f"{tmp_path}/a:", "mounted"),
        *(f"{tmp_path}/a/mounted:", "kept"),
    ]


def test_a_lock_is_held_against_another_holder(tmp_path: Path) -> None:
    with (
        files.locked("/run/lock", root=tmp_path),
        (tmp_path / "run/lock").open() as other,
        pytest.raises(BlockingIOError),
    ):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with (tmp_path / "run/lock").open() as other:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_lock_that_cannot_be_made_says_where(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("no folder")
    with pytest.raises(FailedError, match=r"cannot lock .*/run/lock"), files.locked("/run/lock", root=tmp_path):
        pass
