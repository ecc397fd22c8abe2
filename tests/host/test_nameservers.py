"""One DNS server asked: what it answers, and what is no answer of it."""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator

import pytest

from agent.dns_question import Taken
from agent.host import nameservers

NAME = "api.demo.example"


@contextlib.contextmanager
def answering(*answers: bytes, address: str = "127.0.0.1") -> Iterator[int]:
    """Give the port of a server that answers its first question with these, behind the question's own number."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as server:
        server.bind((address, 0))

        def serve() -> None:
            question, client = server.recvfrom(512)
            for answer in answers:
                server.sendto(question[:2] + answer, client)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


def header(flags: int) -> bytes:
    return struct.pack("!5H", flags, 1, 0, 0, 0)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_server_that_answers_is_known_by_its_code_and_time(address: str) -> None:
    with answering(header(0x8182), address=address) as port:
        taken = nameservers.ask(address, NAME, port=port, seconds=30)
    assert (taken.server, taken.code) == (address, "SERVFAIL")
    assert 0 < taken.seconds < 30


def test_what_is_no_answer_is_waited_past() -> None:
    with answering(b"", header(0x0100), header(0x8180)) as port:
        assert nameservers.ask("127.0.0.1", NAME, port=port, seconds=30).code == "NOERROR"


def test_a_server_that_is_silent_costs_its_time() -> None:
    with answering() as port:
        began = time.monotonic()
        assert nameservers.ask("127.0.0.1", NAME, port=port, seconds=0.2) == Taken("127.0.0.1")
        assert time.monotonic() - began >= 0.2


def test_a_server_that_is_not_there_does_not_answer() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    began = time.monotonic()
    assert nameservers.ask("127.0.0.1", NAME, port=port, seconds=30) == Taken("127.0.0.1")
    assert time.monotonic() - began < 20, "the kernel says at once that nobody listens there"


@pytest.mark.parametrize("server", ["not-an-address", "fe80::1%no-such-link", ""])
def test_what_is_no_server_does_not_answer(server: str) -> None:
    assert nameservers.ask(server, NAME, port=1, seconds=0.2) == Taken(server)
