"""Every kind of source, below a root of our own, with the real relay between."""

import contextlib
import gzip
import hashlib
import http.server
import json
import os
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from configure.samples import PEM

from agent.errors import TemporaryError
from agent.host.gather import Gatherer
from agent.outputs import (
    Authorities,
    Builds,
    Commands,
    Digest,
    Event,
    File,
    Keep,
    Loopback,
    Matching,
    Metadata,
    Nvme,
    Opened,
    Outcome,
    Output,
    PerItem,
    Source,
    Status,
    Step,
    Tree,
    Withheld,
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


def contents(events: Iterator[Event]) -> dict[str, tuple[Outcome, bytes]]:
    found, content, opened = {}, b"", ""
    for event in events:
        if isinstance(event, Opened):
            opened = event.path
        elif isinstance(event, Outcome):
            assert opened in {"", event.path}
            found[event.path], content, opened = (event, content), b"", ""
        else:
            content += event
    return found


def take(
    root: Path, source: Source, *, keep: Keep = Keep.HEAD, limit: int = 1 << 20, path: str = "out/"
) -> dict[str, tuple[Outcome, bytes]]:
    scratch = root.parent / "scratch"
    scratch.mkdir(exist_ok=True)
    gatherer = Gatherer(scratch, metadata=metadata, root=root)
    found = contents(gatherer.gather(Output("Base", path, source, keep, seconds=30), limit=limit, seconds=30))
    assert list(scratch.iterdir()) == []
    return found


def one(root: Path, source: Source, *, keep: Keep = Keep.HEAD, limit: int = 1 << 20) -> tuple[Outcome, bytes]:
    (found,) = take(root, source, keep=keep, limit=limit).values()
    return found


def test_commands_go_into_one_file(root: Path) -> None:
    outcome, content = one(root, Commands((("echo", "a"), ("echo", "b"))))
    assert (outcome.status, outcome.exit_code, content) == (Status.OK, 0, b"a\nb\n")
    assert outcome.bytes_read == 4
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
    assert (outcome.status, outcome.redactions) == (Status.TRUNCATED, 1)
    assert content.endswith(b"x\npassword=<redacted>\n")
    assert len(content) <= 100


def test_a_tail_does_not_begin_within_a_private_key(root: Path) -> None:
    key = b"-----BEGIN RSA PRIVATE KEY-----\n" + b"MIIEabcd\n" * 50 + b"-----END RSA PRIVATE KEY-----\n"
    (root / "var/log/messages").write_bytes(b"x\n" * 5000 + key + b"after\n" * 10)
    outcome, content = one(root, File(("/var/log/messages",)), keep=Keep.TAIL, limit=400)
    assert (outcome.status, content) == (Status.TRUNCATED, b"after\n" * 10)
    assert outcome.error == "cut to the last 400 of 10572 bytes"


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
    found = contents(gatherer.gather(Output("Base", "a", File(("/proc/stat",))), limit=1 << 20, seconds=10))
    assert b"\nctxt " in found["a"][1]


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


LINES = [b"line %d\n" % number for number in range(100_000)]


@pytest.mark.parametrize("parts", [1, 3])
def test_a_packed_log_that_is_too_long_keeps_its_end_as_others_do(root: Path, parts: int) -> None:
    """In one piece, and in several, as where something was appended."""
    folder = root / "var/log/x"
    folder.mkdir()
    whole = b"".join(LINES)
    step = len(whole) // parts + 1
    (folder / "a.log").write_bytes(whole)
    (folder / "b.log.gz").write_bytes(
        b"".join(gzip.compress(whole[start : start + step]) for start in range(0, len(whole), step))
    )
    found = take(root, Tree("/var/log/x"), keep=Keep.TAIL, limit=300_000)
    (plain, content), (packed, unpacked) = found["out/a.log"], found["out/b.log"]
    assert (packed.status, packed.error) == (plain.status, plain.error)
    assert plain.error == f"cut to the last 300000 of {len(whole)} bytes"
    assert unpacked == content
    assert whole.endswith(content)
    assert 290_000 < len(content) <= 300_000


def test_a_packed_log_that_breaks_off_keeps_what_came_before(root: Path) -> None:
    whole = os.urandom(1_000_000).hex().encode()
    packed = gzip.compress(whole)
    (root / "var/log/a.gz").write_bytes(packed[: len(packed) // 2])
    outcome, content = one(root, File(("/var/log/a.gz",)), keep=Keep.TAIL, limit=800_000)
    assert outcome.status is Status.FAILED
    assert len(content) > 500_000
    assert whole.startswith(content)


def test_what_unpacks_without_end_costs_no_more_than_its_beginning(root: Path) -> None:
    (root / "var/log/a.gz").write_bytes(gzip.compress(b"x\n" * 1_000_000))
    outcome, content = one(root, File(("/var/log/a.gz",)), keep=Keep.TAIL, limit=10_000)
    assert (outcome.error, len(content)) == ("cut to the first 10000 bytes", 10_000)


def rotten(kind: str) -> bytes:
    """Return a packed log as a disk or a power loss leaves it."""
    good = gzip.compress(os.urandom(200_000).hex().encode())
    half = len(good) // 2
    broken = {"middle": good[:1000] + bytes(200) + good[1200:], "zeros": good[:half] + bytes(half)}
    return {**broken, "short": good[:half], "garbage": good[:10] + b"\xff" * 100, "none": b"no gzip", "": b""}[kind]


@pytest.mark.parametrize("kind", ["middle", "zeros", "short", "garbage", "none", ""])
def test_a_rotten_log_costs_only_itself(root: Path, kind: str) -> None:
    folder = root / "var/log/x"
    folder.mkdir()
    (folder / "a.log").write_text("first\n")
    (folder / "b.log.gz").write_bytes(rotten(kind))
    (folder / "c.log").write_text("third\n")
    found = take(root, Tree("/var/log/x"), keep=Keep.TAIL)
    statuses = {path: outcome.status for path, (outcome, _) in found.items()}
    assert statuses == {"out/a.log": "ok", "out/b.log": "failed" if kind else "empty", "out/c.log": "ok"}
    assert found["out/b.log"][0].error.startswith("not a whole gzip file: " if kind else "")


def test_what_is_unpacked_takes_nobodys_name(root: Path) -> None:
    folder = root / "var/log/x"
    (folder / "d.log").mkdir(parents=True)
    for name in ("a.log", "b.log.unpacked", "b.log"):
        (folder / name).write_text(name)
    for name in ("a.log.gz", "a.log.unpacked.gz", "b.log.gz", "c.log.gz", "d.log.gz"):
        (folder / name).write_bytes(gzip.compress(name.encode()))
    found = take(root, Tree("/var/log/x"))
    assert {path.removeprefix("out/"): content.decode() for path, (_, content) in found.items()} == {
        "a.log": "a.log",
        "a.log.unpacked": "a.log.gz",
        "a.log.unpacked.unpacked": "a.log.unpacked.gz",
        "b.log": "b.log",
        "b.log.unpacked": "b.log.unpacked",
        "b.log.unpacked.unpacked": "b.log.gz",
        "c.log": "c.log.gz",
        "d.log.unpacked": "d.log.gz",
    }
    assert found["out/a.log.unpacked"][0].source == "/var/log/x/a.log.gz"


def test_a_tree_that_is_not_there(root: Path) -> None:
    assert take(root, Tree("/var/log/pods/none*"))["out/none*/"][0].status is Status.ABSENT
    assert take(root, Tree("/var/log/none"))["out/"][0].status is Status.ABSENT


def test_a_digest_of_many_files(root: Path) -> None:
    def render(files: Mapping[str, str]) -> str:
        return ",".join(f"{path}={text}" for path, text in files.items())

    for number in ("2", "1", "x"):
        (root / "proc" / number).mkdir(parents=True)
        (root / "proc" / number / "stat").write_text(number)
    assert one(root, Digest(("/proc/[0-9]*/stat",), render))[1] == b"/proc/1/stat=1,/proc/2/stat=2"
    assert one(root, Digest(("/none/*",), render))[0].status is Status.ABSENT


def test_values_of_instance_metadata(root: Path) -> None:
    assert one(root, Metadata("id"))[1] == b"i-1\n"
    assert one(root, Metadata("none"))[0].status is Status.ABSENT
    outcome, _ = one(root, Metadata("broken"))
    assert (outcome.status, outcome.error) == (Status.FAILED, "IMDS cannot be reached; wait")


def test_a_growing_file_is_read_to_where_it_ended_when_it_was_opened(root: Path) -> None:
    log = root / "var/log/messages"
    log.write_bytes(b"x\n" * 1000)
    writer = subprocess.Popen(["sh", "-c", f"while :; do echo more >>{log}; done"])
    try:
        outcome, content = one(root, File(("/var/log/messages",)), keep=Keep.TAIL)
    finally:
        writer.kill()
        writer.wait()
    assert outcome.status is Status.OK
    assert content.startswith(b"x\n" * 1000)


def test_a_tree_with_nothing_in_it_and_one_that_may_not_be_read(root: Path) -> None:
    (root / "var/log/none").mkdir()
    assert take(root, Tree("/var/log/none"))["out/"][0].status is Status.EMPTY


def test_a_pattern_of_files(root: Path) -> None:
    for name in ("containerd.1.stacks.log", "containerd.2.stacks.log", "other"):
        (root / name).write_text(name)
    (root / "containerd.3.stacks.log").symlink_to("/etc/passwd")
    source = Matching("/containerd.*.stacks.log")
    found = take(root, source, path="containerd/containerd.*.stacks.log")
    assert {path: content for path, (_, content) in found.items()} == {
        "containerd/containerd.1.stacks.log": b"containerd.1.stacks.log",
        "containerd/containerd.2.stacks.log": b"containerd.2.stacks.log",
    }
    assert one(root, Matching("/none*"))[0].status is Status.ABSENT


def plan(text: str) -> list[Step]:
    return [Step(("echo", name), name=name, title=f"# {name}") for name in text.split()]


def test_commands_for_each_item_that_is_listed(root: Path) -> None:
    (root / "list").write_text("one ../../two")
    found = take(root, PerItem("each", File(("/none", "/list")), plan), path="x/*.txt")
    # Names come from the host: none leads out of the folder.
    assert {path: content for path, (_, content) in found.items()} == {
        "x/one.txt": b"# one\none\n\n",
        "x/__.._two.txt": b"# ../../two\n../../two\n\n",
    }


def test_a_listing_that_is_not_there_or_fails(root: Path) -> None:
    def listed(listing: Commands | File) -> Outcome:
        return one(root, PerItem("each", listing, plan))[0]

    assert listed(File(("/none",))).status is Status.ABSENT
    assert listed(Commands((("no-such-program",),))).status is Status.ABSENT
    assert listed(Commands((("true",),))).status is Status.ABSENT
    failed = listed(Commands((("sh", "-c", "echo why; exit 4"),)))
    assert (failed.status, failed.exit_code, failed.error) == (
        Status.FAILED,
        4,
        "sh -c 'echo why; exit 4': exit status 4",
    )


def test_when_the_time_of_an_output_is_over_the_rest_is_not_run(tmp_path: Path) -> None:
    source = Commands((("sh", "-c", "echo a; sleep 600"), ("echo", "b")))
    found = contents(
        Gatherer(tmp_path, metadata=metadata).gather(Output("Base", "a", source, seconds=1), limit=100, seconds=9)
    )
    outcome, content = found["a"]
    assert (outcome.status, content) == (Status.TIMEOUT, b"a\n")


def test_a_log_that_takes_too_long_to_print_has_its_end_all_the_same(tmp_path: Path) -> None:
    endless = "n=0; while :; do n=$((n + 1)); echo old $n; done"
    source = Commands((("sh", "-c", endless),), timeout=1.0, late=("echo", "password=hunter22 newest"))
    output = Output("Base", "a", source, Keep.TAIL, seconds=5)
    found = contents(Gatherer(tmp_path, metadata=metadata).gather(output, limit=20_000, seconds=9))
    outcome, content = found["a"]
    assert outcome.status is Status.TIMEOUT
    assert "did not end within 1 s" in outcome.error
    *lines, above, seam, newest = content.decode().splitlines()
    # The seam has a line of its own, also where the time was over within one.
    assert seam.startswith("--- the time was over")
    assert newest == "password=<redacted> newest"
    assert all(line.startswith("old ") for line in lines[1:-1])
    assert len(content) <= 10_000
    assert above == "" or above.startswith("old")


def test_a_log_that_is_printed_in_time_has_its_end_once(root: Path) -> None:
    source = Commands((("echo", "all"),), late=("echo", "newest"))
    assert one(root, source, keep=Keep.TAIL)[1] == b"all\n"


def test_what_a_command_prints_may_have_a_line_below(root: Path) -> None:
    class Bytes:
        def __init__(self) -> None:
            self.count = 0

        def feed(self, chunk: bytes) -> None:
            self.count += len(chunk)

        def text(self) -> bytes:
            return b"%d bytes\n" % self.count

    assert one(root, Commands((("echo", "a"),), trailer=Bytes))[1] == b"a\n2 bytes\n"
    assert one(root, Commands((("no-such-program",),), trailer=Bytes))[0].status is Status.ABSENT


class Server(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/v1/enis" else 503)
        self.end_headers()
        self.wfile.write(b'{"token": "hunter2"}')

    def log_message(self, *_: object) -> None:
        pass


def test_servers_on_the_loopback_interface(root: Path) -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_port
        outcome, content = one(root, Loopback(port, "/v1/enis"))
        assert (outcome.status, content) == (Status.OK, b'{"token": "<redacted>"}')
        outcome, content = one(root, Loopback(port, "/v1/pods"))
        assert (outcome.status, outcome.error, content) == (
            Status.FAILED,
            "HTTP status 503",
            b'{"token": "<redacted>"}',
        )
        server.shutdown()
    assert one(root, Loopback(port, "/"))[0].error == "nothing listens there"
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=answer_badly, args=[listening], daemon=True).start()
        assert one(root, Loopback(listening.getsockname()[1], "/"))[0].status is Status.FAILED


def answer_badly(listening: socket.socket) -> None:
    connection, _ = listening.accept()
    with connection:
        connection.sendall(b"no HTTP\r\n\r\n")


def test_the_whole_tree_of_instance_metadata(tmp_path: Path) -> None:
    values = {
        "meta-data/": "instance-id\niam/\npublic-keys/",
        "meta-data/instance-id": "i-1",
        "meta-data/iam/": "security-credentials/",
        "meta-data/public-keys/": "0=mine",
        "meta-data/public-keys/0/": "openssh-key",
        "meta-data/public-keys/0/openssh-key": "ssh-ed25519 AAAA",
        "dynamic/instance-identity/document": "{}",
    }
    asked = tmp_path / "asked"

    def look(path: str) -> str | None:
        with asked.open("a") as file:
            file.write(f"{path}\n")
        if path == "dynamic/instance-identity/document":
            raise TemporaryError("late")
        return values[path]

    found = contents(
        Gatherer(tmp_path, metadata=look).gather(Output("Base", "a", Metadata("/")), limit=9999, seconds=9)
    )
    assert json.loads(found["a"][1]) == {
        "dynamic/instance-identity/document": None,
        "meta-data/instance-id": "i-1",
        "meta-data/public-keys/0/openssh-key": "ssh-ed25519 AAAA",
    }
    lines = asked.read_text().splitlines()
    assert "meta-data/public-keys/0/" in lines
    assert not any("credentials" in path or path == "user-data" for path in lines)


def test_a_metadata_service_that_has_failed_is_not_asked_again(tmp_path: Path) -> None:
    calls = tmp_path / "calls"

    def broken(path: str) -> str | None:
        with calls.open("a") as file:
            file.write(f"{path}\n")
        raise TemporaryError("IMDS cannot be reached")

    gatherer = Gatherer(tmp_path, metadata=broken)
    for path in ("/", "id", "other"):
        found = contents(gatherer.gather(Output("Base", path, Metadata(path)), limit=99, seconds=9))
        assert found[path][0].error == "IMDS cannot be reached"
    assert calls.read_text() == "meta-data/\n"


def test_certificate_authorities(root: Path) -> None:
    bundle = Path("/etc/ssl/certs/ca-certificates.crt")
    (root / "ca.crt").write_bytes(bundle.read_bytes())
    lines = one(root, Authorities("/ca.crt"))[1].decode().splitlines()
    assert len(lines) == bundle.read_text().count("BEGIN CERTIFICATE")
    assert all(line.startswith("notAfter=") and "  sha256=" in line for line in lines)
    der = ssl.PEM_cert_to_DER_cert(PEM["responder"]).replace(b"pki@", b"pk\xfc@")
    (root / "odd").write_text(ssl.DER_cert_to_PEM_cert(der) + bundle.read_text())
    (odd,) = set(one(root, Authorities("/odd"))[1].decode().splitlines()) - set(lines)
    assert odd == f"notAfter=unknown  sha256={hashlib.sha256(der).hexdigest()}  unknown"
    (root / "broken").write_text("-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n")
    assert one(root, Authorities("/broken"))[0].status is Status.FAILED
    assert one(root, Authorities("/none"))[0].status is Status.ABSENT


def test_a_device_that_is_no_nvme_controller(root: Path) -> None:
    (root / "dev").mkdir()
    (root / "dev/nvme0").touch()
    (root / "dev/nvme0n1").touch()
    outcome, content = one(root, Nvme(lambda pages: f"{len(pages)} {pages[0].device}: {pages[0].error}"))
    assert (outcome.status, content) == (Status.OK, b"1 nvme0: Inappropriate ioctl for device")
    (root / "dev/nvme0").unlink()
    assert one(root, Nvme(str))[0].status is Status.ABSENT


def tool(path: Path) -> Path:
    """Leave a program that prints its own name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\nbasename $0\n")
    path.chmod(0o755)
    return path


def test_of_several_builds_the_one_that_fits_is_run(tmp_path: Path) -> None:
    paths, link = [tmp_path / "usr/tool", tmp_path / "usr/tool-v6", tmp_path / "usr/no-program"], tmp_path / "run/tool"

    def choose(there: Sequence[str], target: str) -> Commands | Withheld:
        return Commands(((target,),)) if target in there else Withheld(" ".join(there))

    def outcome() -> tuple[Outcome, bytes]:
        source = Builds("tool", tuple(map(str, paths)), str(link), choose)
        gatherer = Gatherer(tmp_path, metadata=metadata)
        (found,) = contents(gatherer.gather(Output("Base", "out", source), limit=1 << 20, seconds=10)).values()
        return found

    assert (outcome()[0].status, outcome()[0].error) == (Status.ABSENT, "")
    for path in paths:
        tool(path)
    paths[2].chmod(0o644)
    assert outcome()[0].error == f"{paths[0]} {paths[1]}"
    link.parent.mkdir()
    link.symlink_to(paths[1])
    found, content = outcome()
    # The row says what was run.
    assert (found.status, found.source, content) == (Status.OK, str(paths[1]), b"tool-v6\n")


def test_what_is_withheld_says_why(root: Path) -> None:
    assert one(root, Withheld("because"))[0].error == "because"


def test_each_command_has_its_own_time_to_be_silent(root: Path) -> None:
    """One command's time is up after a second; the child may be silent for 6 s."""
    source = Commands((*(("sleep", "60"),) * 7, ("echo", "healthy")), timeout=1.0)
    outcome, content = one(root, source)
    assert (outcome.status, content) == (Status.TIMEOUT, b"healthy\n")
    assert "did not end within 1 s" in outcome.error
