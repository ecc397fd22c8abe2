"""Writes to a real terminal, pipe and file, also where nobody reads."""

import os
import pty
import termios
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent.errors import FailedError, TemporaryError
from agent.host import console
from agent.host.console import Patience

LONG = "a line of the console\n" * 5000


@dataclass
class Terminal:
    """A pseudo-terminal: the path to write to, and what its reader reads."""

    path: Path
    master: int

    def read(self, size: int) -> bytes:
        got = bytearray()
        while len(got) < size:
            got += os.read(self.master, 1 << 16)
        return bytes(got)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    master, slave = pty.openpty()
    yield Terminal(Path(os.ttyname(slave)), master)
    os.close(slave)
    os.close(master)


def test_a_terminal_takes_two_bytes_for_a_line_end(terminal: Terminal) -> None:
    with console.opened(terminal.path) as port:
        assert port.line_end == 2
        port.write("one\ntwo\n")
    assert terminal.read(10) == b"one\r\ntwo\r\n"


def test_a_reader_that_keeps_up_gets_everything(terminal: Terminal) -> None:
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(terminal.read(len(LONG) + LONG.count("\n"))))
    reader.start()
    with console.opened(terminal.path) as port:
        port.write(LONG)
    reader.join(10)
    assert got[0].replace(b"\r\n", b"\n").decode() == LONG


def test_a_port_that_nobody_reads_is_given_up(terminal: Terminal) -> None:
    started = time.monotonic()
    with console.opened(terminal.path) as port, pytest.raises(TemporaryError, match=r"took \d+ of \d+ bytes"):
        port.write(LONG, Patience(stalled=0.3, within=5))
    assert time.monotonic() - started < 3


def test_a_port_that_is_slow_for_too_long_is_given_up(terminal: Terminal) -> None:
    """There is progress all the time, but not enough: the whole write has its limit too."""
    ended = threading.Event()

    def sip() -> None:
        while not ended.wait(0.05):
            os.read(terminal.master, 1024)

    reader = threading.Thread(target=sip)
    reader.start()
    started = time.monotonic()
    with console.opened(terminal.path) as port, pytest.raises(TemporaryError):
        port.write(LONG * 20, Patience(stalled=2, within=0.5))
    assert time.monotonic() - started < 2
    ended.set()
    termios.tcflush(terminal.master, termios.TCIOFLUSH)
    os.write(terminal.master, b"\n")  # the echo ends the reader's last read
    reader.join(10)


def test_the_next_cycle_recovers_when_the_reader_does(terminal: Terminal) -> None:
    with console.opened(terminal.path) as port, pytest.raises(TemporaryError):
        port.write(LONG, Patience(stalled=0.2, within=1))
    got = bytearray()
    os.set_blocking(terminal.master, False)
    with console.opened(terminal.path) as port:
        while b"the next\r\n" not in got:
            try:
                got += os.read(terminal.master, 1 << 16)
            except BlockingIOError:
                port.write("the next\n", Patience(stalled=5, within=5))


def test_a_file_is_appended_to_with_plain_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    for text in ("one\n", "two\n"):
        with console.opened(path) as port:
            assert port.line_end == 1
            port.write(text)
    assert path.read_bytes() == b"one\ntwo\n"


def test_a_pipe_is_written(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with console.opened(path) as port:
        port.write("one\n")
    assert os.read(reader, 100) == b"one\n"
    os.close(reader)


def test_a_pipe_without_a_reader_is_an_error_at_once(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(FailedError, match="nothing reads it"), console.opened(path):
        pass


def test_a_reader_that_leaves_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with console.opened(path) as port:
        os.close(reader)
        with pytest.raises(FailedError, match="Broken pipe"):
            port.write("one\n")


def test_a_place_that_cannot_be_opened_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FailedError, match="--output"), console.opened(tmp_path / "none" / "out.txt"):
        pass
