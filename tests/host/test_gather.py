import contextlib
import gzip
import os
import socket
from collections.abc import Mapping
from pathlib import Path

import pytest

from agent.errors import TemporaryError
from agent.host.gather import Gatherer, mount_values
from agent.outputs import Commands, Digest, EachMount, File, Keep, Metadata, Outcome, Output, Source, Status, Tree

MOUNTINFO = (
    "36 35 0:30 / / rw,relatime shared:1 - overlay overlay rw,lowerdir=/l,upperdir=/var/lib/a\\040b,workdir=/w\n"
    "37 35 0:31 / /x rw - overlay overlay rw,lowerdir=/l,upperdir=/var/lib/a\\040b\n"
    "38 35 259:1 / /var rw,relatime - xfs /dev/nvme1n1 rw,attr2\n"
    "39 35 0:5 / /proc rw - proc proc rw\n"
)


def metadata(path: str) -> str | None:
    if path == "broken":
        raise TemporaryError("IMDS cannot be reached", hint="wait")
    return {"id": "i-1"}.get(path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    (folder / "var/log").mkdir(parents=True)
    return folder


def take(
    root: Path, source: Source, *, keep: Keep = Keep.HEAD, limit: int = 1 << 20
) -> dict[str, tuple[Outcome, bytes]]:
    scratch = root.parent / "scratch"
    scratch.mkdir(exist_ok=True)
    gatherer = Gatherer(scratch, metadata=metadata, root=root)
    found = {}
    for each in gatherer.gather(Output("Base", "out/", source, keep), limit=limit, seconds=2):
        content = b""
        if each.content is not None:
            content = b"".join(each.content.chunks())
            each.content.discard()
        found[each.outcome.path] = each.outcome, content
    assert list(scratch.iterdir()) == []
    return found


def one(root: Path, source: Source, *, keep: Keep = Keep.HEAD, limit: int = 1 << 20) -> tuple[Outcome, bytes]:
    (found,) = take(root, source, keep=keep, limit=limit).values()
    return found


def test_commands_go_into_one_file(root: Path) -> None:
    outcome, content = one(root, Commands((("echo", "a"), ("echo", "b"))))
    assert (outcome.status, outcome.exit_code, content) == (Status.OK, 0, b"a\nb\n")
    assert (outcome.bytes_read, outcome.bytes_written) == (4, 4)
    assert outcome.source == "echo a; echo b"


def test_a_failed_command_keeps_its_output_and_the_others_run(root: Path) -> None:
    outcome, content = one(root, Commands((("sh", "-c", "echo part; exit 3"), ("echo", "b"))))
    assert (outcome.status, outcome.exit_code, outcome.error) == (Status.FAILED, 3, "exit status 3")
    assert content == b"part\nb\n"
    assert one(root, Commands((("sh", "-c", "exit 3"),), accepts=frozenset({0, 3})))[0].status is Status.EMPTY


def test_a_slow_command_is_ended_and_keeps_its_output(root: Path) -> None:
    outcome, content = one(root, Commands((("sh", "-c", "echo part; sleep 60"),), timeout=0.5))
    assert (outcome.status, content) == (Status.TIMEOUT, b"part\n")
    assert "did not end within 0.5 s" in outcome.error


def test_a_program_that_is_not_there_is_absent(root: Path) -> None:
    assert one(root, Commands((("no-such-program",),)))[0].status is Status.ABSENT
    assert one(root, Commands((("no-such-program",), ("echo", "a"))))[0].status is Status.OK


def test_endless_output_is_cut_at_its_head(root: Path) -> None:
    outcome, content = one(root, Commands((("yes",),)), limit=1000)
    assert (outcome.status, content) == (Status.TRUNCATED, b"y\n" * 500)


def test_a_long_log_keeps_its_tail_and_secrets_are_counted(root: Path) -> None:
    (root / "var/log/messages").write_bytes(b"x\n" * 5000 + b"password=hunter22\n")
    outcome, content = one(root, File(("/var/log/none", "/var/log/messages")), keep=Keep.TAIL, limit=100)
    assert (outcome.status, outcome.redactions, outcome.bytes_read) == (Status.TRUNCATED, 1, 100)
    assert content.endswith(b"x\npassword=<redacted>\n")
    assert outcome.bytes_written <= 100


def test_files_that_are_none(root: Path) -> None:
    log = root / "var/log"
    os.mkfifo(log / "fifo")
    (log / "link").symlink_to("/etc/passwd")
    (log / "empty").touch()
    for name in ("fifo", "link", "none", ""):
        assert one(root, File((f"/var/log/{name}",)))[0].status is Status.ABSENT
    assert one(root, File(("/var/log/empty",)))[0].status is Status.EMPTY


def test_a_file_of_proc_is_read_to_its_end(tmp_path: Path) -> None:
    gatherer = Gatherer(tmp_path, metadata=metadata)
    (found,) = gatherer.gather(Output("Base", "a", File(("/proc/stat",))), limit=1 << 20, seconds=1)
    assert found.content is not None
    assert b"\nctxt " in b"".join(found.content.chunks())
    found.content.discard()


def test_a_tree_is_read_without_its_links_and_special_files(root: Path) -> None:
    pod = root / "var/log/pods/kube-system_aws-node-x"
    (pod / "container").mkdir(parents=True)
    (pod / "container/1.log").write_bytes(b"one\n")
    (pod / "container/0.log.20261122.gz").write_bytes(gzip.compress(b"password=hunter22\n"))
    (pod / "container/broken.gz").write_bytes(b"no gzip")
    (pod / "container/loop").symlink_to(pod)
    (pod / "container/passwd").symlink_to("/etc/passwd")
    os.mkfifo(pod / "fifo")
    with socket.socket(socket.AF_UNIX) as listening, contextlib.chdir(pod):  # a socket's path is short
        listening.bind("socket")
    (pod / "bad\udcff\nname").write_bytes(b"two\n")
    (root / "var/log/pods/kube-system_aws-node-y").symlink_to("/etc")
    found = take(root, Tree("/var/log/pods/kube-system_aws-node*"))
    base = "out/kube-system_aws-node-x"
    assert {path: outcome.status for path, (outcome, _) in found.items()} == {
        f"{base}/bad\udcff\nname": Status.OK,
        f"{base}/container/0.log.20261122": Status.OK,
        f"{base}/container/1.log": Status.OK,
        f"{base}/container/broken": Status.FAILED,
    }
    assert found[f"{base}/container/0.log.20261122"][1] == b"password=<redacted>\n"
    assert found[f"{base}/container/1.log"][0].source.endswith("/container/1.log")


def test_a_tree_that_is_not_there(root: Path) -> None:
    assert take(root, Tree("/var/log/pods/none*"))["out/none*/"][0].status is Status.ABSENT
    assert take(root, Tree("/var/log/none"))["out/"][0].status is Status.ABSENT


def test_a_digest_of_many_files(root: Path) -> None:
    def render(files: Mapping[str, str]) -> str:
        return ",".join(f"{path}={text}" for path, text in files.items())

    for number in ("2", "1", "x"):
        (root / "proc" / number).mkdir(parents=True)
        (root / "proc" / number / "stat").write_text(number)
    assert one(root, Digest("/proc/[0-9]*/stat", render))[1] == b"/proc/1/stat=1,/proc/2/stat=2"
    assert one(root, Digest("/none/*", render))[0].status is Status.ABSENT


def test_values_of_instance_metadata(root: Path) -> None:
    assert one(root, Metadata("id"))[1] == b"i-1\n"
    assert one(root, Metadata("none"))[0].status is Status.ABSENT
    outcome, _ = one(root, Metadata("broken"))
    assert (outcome.status, outcome.error) == (Status.FAILED, "IMDS cannot be reached; wait")


def test_a_command_for_each_mount(root: Path) -> None:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/mountinfo").write_text(MOUNTINFO)
    assert one(root, EachMount("overlay", (("echo", "--"),), option="upperdir"))[1] == b"-- /var/lib/a b\n"
    assert one(root, EachMount("xfs", (("echo", "1"), ("echo", "2"))))[1] == b"1 /dev/nvme1n1\n2 /dev/nvme1n1\n"
    assert one(root, EachMount("nfs", (("echo",),)))[0].status is Status.ABSENT


def test_mounts_are_named_once() -> None:
    assert mount_values(MOUNTINFO, "overlay", "upperdir") == ["/var/lib/a b"]
    assert mount_values("garbage\n\n", "xfs", "") == []
