"""Connections to a service that has several addresses: ask one, the next a moment later, and see which answers.

Single-threaded "happy eyeballs" (RFC 8305) that ends with an answer, not with a connection: an address may take
connections and still never answer.
"""

import errno
import os
import selectors
import socket
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

STAGGER = 0.2
CONNECT_WITHIN = 1.0
# How long nothing but an answer is waited for, where there is something to do meanwhile.
PATIENCE = 0.05


@dataclass(frozen=True, slots=True)
class Address:
    """A literal IP address and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == 80 else f"{host}:{self.port}"

    @property
    def family(self) -> socket.AddressFamily:
        return socket.AF_INET6 if ":" in self.host else socket.AF_INET


@dataclass(slots=True)
class _Racer:
    address: Address
    socket: socket.socket
    deadline: float
    asked: bool = False


def answers(address: Address, *, within: float) -> bool:
    """Return whether something takes a connection there."""
    with socket.socket(address.family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as connection:
        connection.settimeout(within)
        return connection.connect_ex((address.host, address.port)) == 0


class Race:
    """One request to every address in turn; `failures` says why each that did not answer did not.

    `silent` tells whether one of them took the request and said nothing. `meanwhile` is called again and again while
    nothing happens.
    """

    def __init__(
        self,
        addresses: Sequence[Address],
        encode: Callable[[Address], bytes],
        answer_within: float,
        meanwhile: Callable[[], object] = lambda: None,
    ) -> None:
        self.failures: list[str] = []
        self.silent = False
        self._waiting = list(addresses)
        self._encode = encode
        self._answer_within = answer_within
        self._meanwhile = meanwhile
        self._next_start = time.monotonic()
        self._selector = selectors.DefaultSelector()
        self._racers: list[_Racer] = []

    def answering(self) -> Generator[tuple[Address, socket.socket], None, None]:
        """Give each connection that has an answer to read; who takes it closes it, the others are closed here."""
        try:
            while self._waiting or self._racers:
                self._start_due()
                for racer in self._step():
                    self._leave(racer)
                    yield racer.address, racer.socket
        finally:
            for racer in self._racers:
                racer.socket.close()
            self._selector.close()

    def _start_due(self) -> None:
        while self._waiting and (not self._racers or time.monotonic() >= self._next_start):
            address = self._waiting.pop(0)
            self._next_start = time.monotonic() + STAGGER
            connection = socket.socket(address.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
            racer = _Racer(address, connection, time.monotonic() + min(CONNECT_WITHIN, self._answer_within))
            self._racers.append(racer)
            self._selector.register(connection, selectors.EVENT_WRITE, racer)
            code = connection.connect_ex((address.host, address.port))
            if code not in {0, errno.EINPROGRESS}:
                self._fail(racer, os.strerror(code))

    def _step(self) -> list[_Racer]:
        """Wait for the next thing to happen, and return who has an answer."""
        if not self._racers:
            return []
        next_times = [racer.deadline for racer in self._racers] + ([self._next_start] if self._waiting else [])
        ready = self._selector.select(min(PATIENCE, max(0.0, min(next_times) - time.monotonic())))
        if not ready:
            self._meanwhile()
        racers: list[_Racer] = [key.data for key, _ in ready]
        answered = [racer for racer in racers if racer.asked]
        for racer in racers:
            if not racer.asked:
                self._ask(racer)
        for racer in [racer for racer in self._racers if racer not in racers and time.monotonic() >= racer.deadline]:
            self._expire(racer)
        return answered

    def _ask(self, racer: _Racer) -> None:
        code = racer.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._fail(racer, os.strerror(code))
            return
        try:
            # A request is far smaller than an empty send buffer: it goes whole or not at all.
            racer.socket.send(self._encode(racer.address))
        except OSError as error:
            self._fail(racer, os.strerror(error.errno or 0))
            return
        racer.asked = True
        racer.deadline = time.monotonic() + self._answer_within
        self._selector.modify(racer.socket, selectors.EVENT_READ, racer)

    def _expire(self, racer: _Racer) -> None:
        self.silent = self.silent or racer.asked
        after = f"no answer within {self._answer_within:.3g} s" if racer.asked else "no connection"
        self._fail(racer, after)

    def _fail(self, racer: _Racer, reason: str) -> None:
        self._leave(racer)
        racer.socket.close()
        self.failures.append(f"{racer.address}: {reason}")

    def _leave(self, racer: _Racer) -> None:
        self._selector.unregister(racer.socket)
        self._racers.remove(racer)
