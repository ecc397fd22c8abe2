"""Packet captures as their unit runs them: real tcpdump on a veth pair, its chunks read back by tcpdump."""

import contextlib
import gzip
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from agent import packet_capture
from agent.errors import FailedError
from agent.host.spool import Spool
from agent.packet_capture import Ended, PacketRequest, PacketResult
from agent.packets import daemon
from world import namespaces
from world.processes import run
from world.waiting import until

pytestmark = pytest.mark.netns

ID = "0b8e0d1c-6a5e-4a0e-9f5e-2f1f4a3c9d10"
REQUEST = PacketRequest(ID, "u-1", 3, "i-1", "2026-11-22T15:00:00Z", 30, 1, "inside0", "udp port 9999")
PORT = 9999
SCRIPT = (
    "import sys; from pathlib import Path; from agent.packets import daemon; daemon.run(sys.argv[1], root=Path('{}'))"
)


class Field:
    """A namespace with a veth pair between two addresses, and a spool with one request."""

    def __init__(self, name: str, root: Path) -> None:
        self.name = name
        self.root = root
        self.spool = Spool(root / packet_capture.FOLDER[1:])
        self.processes: list[subprocess.Popen[bytes]] = []

    @property
    def folder(self) -> Path:
        return self.spool.place(ID)

    def start(self, request: PacketRequest) -> subprocess.Popen[bytes]:
        self.spool.write(ID, packet_capture.REQUEST, request.dump())
        argv = ["ip", "netns", "exec", self.name, sys.executable, "-c", SCRIPT.format(self.root), ID]
        self.processes.append(subprocess.Popen(argv, stderr=subprocess.DEVNULL))
        return self.processes[-1]

    def listening(self) -> None:
        until(lambda: packet_capture.raw_chunks(self.names()), 20, "tcpdump listens")

    def names(self) -> list[str]:
        return self.spool.names(ID)

    def send(self, *texts: bytes) -> None:
        with namespaces.entered(self.name), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for text in texts:
                sender.sendto(text, ("10.9.0.2", PORT))

    def result(self) -> PacketResult:
        content = until(lambda: self.spool.read(ID, packet_capture.RESULT), 20, "the capture has ended")
        return packet_capture.parse_result(content)

    def chunks(self) -> list[str]:
        return packet_capture.finished_chunks(self.names())

    def packets(self) -> int:
        """Count the packets of every chunk, as tcpdump reads them."""
        return sum(self._count(name) for name in self.chunks())

    def _count(self, name: str) -> int:
        raw = self.root / "raw.pcap"
        raw.write_bytes(gzip.decompress((self.folder / name).read_bytes()))
        return len(run(["tcpdump", "-n", "-r", raw]).splitlines())


@pytest.fixture
def field(tmp_path: Path) -> Iterator[Field]:
    name = f"na-test-packets-{os.getpid()}"
    namespaces.make(name)
    try:
        run(["ip", "-n", name, "link", "add", "inside0", "type", "veth", "peer", "name", "outside0"])
        run(["ip", "-n", name, "address", "add", "10.9.0.1/24", "dev", "inside0"])
        for link in ("inside0", "outside0"):
            run(["ip", "-n", name, "link", "set", link, "up"])
        peer = ["neighbor", "add", "10.9.0.2", "lladdr", "02:00:00:00:00:02", "dev", "inside0"]
        run(["ip", "-n", name, *peer])
        yield (made := Field(name, tmp_path))
        for process in made.processes:
            process.terminate()
            process.wait(20)
    finally:
        namespaces.delete(name)


def test_the_last_packets_before_the_end_are_there(field: Field) -> None:
    process = field.start(REQUEST)
    field.listening()
    field.send(*(b"%d" % number for number in range(50)))
    process.send_signal(signal.SIGTERM)
    result = field.result()
    assert (result.ended, result.chunks, result.dropped) == (Ended.STOPPED, 1, 0)
    assert field.chunks() == ["capture.pcap00000.gz"]
    assert field.packets() == result.packets == 50
    assert field.names() == ["capture.pcap00000.gz", "request.json", "result.json"]


def test_a_chunk_is_finished_while_the_capture_goes_on(field: Field) -> None:
    process = field.start(REQUEST)
    field.listening()
    for _ in range(30):
        field.send(*[b"x" * 1400] * 100)
    until(lambda: len(field.chunks()) >= 3, 20, "three chunks are finished")
    assert field.spool.read(ID, packet_capture.RESULT) is None
    process.send_signal(signal.SIGTERM)
    assert field.result().chunks == len(field.chunks())
    assert field.packets() == 3000


def test_a_capture_ends_when_its_time_is_over(field: Field) -> None:
    process = field.start(replace(REQUEST, seconds=1))
    assert field.result().ended is Ended.DURATION
    assert process.wait(20) == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"expression": "udp prot 9999"}, "syntax error"),
        ({"expression": "host a.name.that.is.none"}, "unknown host"),
        ({"interface": "none0"}, "none0: No such device exists"),
    ],
)
def test_what_tcpdump_refuses_is_said_in_its_words(field: Field, change: dict[str, str], said: str) -> None:
    field.start(replace(REQUEST, **change))
    result = field.result()
    assert (result.ended, result.chunks) == (Ended.FAILED, 0)
    assert said in result.error
    assert "interface and filter" in result.hint


def test_what_looks_like_an_option_is_a_filter(field: Field) -> None:
    field.start(replace(REQUEST, expression="-w/tmp/other"))
    assert field.result().ended is Ended.FAILED
    assert not Path("/tmp/other").exists()


def test_a_full_disk_ends_the_capture_before_it_is_full(field: Field) -> None:
    folder = field.folder
    run(["mount", "-t", "tmpfs", "-o", "size=20m", "none", folder])
    try:
        field.start(REQUEST)
        result = field.result()
        assert result.ended is Ended.DISK
        assert "MiB are left on the data volume" in result.error
        field.processes.pop().wait(20)
    finally:
        run(["umount", folder])


def test_what_a_broken_off_capture_left_is_finished(field: Field) -> None:
    process = field.start(REQUEST)
    field.listening()
    field.send(b"kept")
    until(lambda: (field.folder / packet_capture.RAW).stat().st_size > 24, 20, "the packet is written")
    (tcpdump,) = run(["pgrep", "-P", str(process.pid)]).split()
    process.kill()
    process.wait(20)
    with contextlib.suppress(ProcessLookupError):
        os.kill(int(tcpdump), signal.SIGKILL)
    field.start(REQUEST)
    result = field.result()
    assert (result.ended, result.chunks) == (Ended.BROKEN_OFF, 1)
    assert field.packets() == 1


def test_a_capture_that_nobody_asked_for(tmp_path: Path) -> None:
    with pytest.raises(FailedError, match="no request"):
        daemon.run(ID, root=tmp_path)
    Spool(tmp_path / packet_capture.FOLDER[1:]).write("other", packet_capture.REQUEST, REQUEST.dump())
    with pytest.raises(FailedError, match="no capture ID"):
        daemon.run("other", root=tmp_path)
