"""TLS links: a socket that never blocks, so that a daemon can end every wait.

While anything is waited for, `tick` runs at least once a second: a daemon feeds its watchdog there, and raises to give
the connection up.
"""

import os
import select
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from agent.errors import FailedError, TemporaryError

Tick: TypeAlias = Callable[[], None]
# Is given the peer's and our own address before a byte is sent, and raises to refuse the peer.
CheckPeer: TypeAlias = Callable[[str, str], None]

_HTTPS = 443
_SLICE = 1.0
_CHUNK = 1 << 16


def no_tick() -> None:
    """Do nothing: for a command that has no watchdog to feed."""


@dataclass(frozen=True, slots=True)
class Waits:
    """What runs during a wait, and how many seconds may pass without progress."""

    tick: Tick = no_tick
    patience: float = 20.0

    def until(self, handle: socket.socket, deadline: float, *, writing: bool = False) -> bool:
        """Wait until the socket is ready; False where the deadline passed first."""
        while True:
            left = deadline - time.monotonic()
            readers, writers = ([], [handle]) if writing else ([handle], [])
            ready = select.select(readers, writers, [], max(0.0, min(left, _SLICE)))
            self.tick()
            if any(ready):
                return True
            if left <= 0:
                return False

    def deadline(self) -> float:
        return time.monotonic() + self.patience


def trusting(ca: Path) -> ssl.SSLContext:
    """Return a context that trusts the certificates of a file alone; OSError where it holds none.

    Not create_default_context(): from Python 3.13 that refuses CAs without an authority key identifier, which Go and so
    kubelet accept.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(ca)
    return context


def trusting_anybody() -> ssl.SSLContext:
    """Return a context that checks no certificate: to ask whether somebody serves, never to tell him anything."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Link:
    """An open TLS connection to a named host."""

    def __init__(self, secured: ssl.SSLSocket, address: tuple[str, int], waits: Waits) -> None:
        self.host, port = address
        bracketed = f"[{self.host}]" if ":" in self.host else self.host
        # As a Host header says it; SigV4 signs it so too.
        self.authority = bracketed if port == _HTTPS else f"{bracketed}:{port}"
        self.waits = waits
        self._socket = secured

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def receive(self) -> bytes | None:
        """Return what has arrived (nothing at the end), or None where nothing has; never waits."""
        try:
            return self._socket.recv(_CHUNK)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None
        except OSError as error:
            raise _transport(self.host, error) from error

    def wait(self, deadline: float) -> bool:
        """Wait for something to arrive; False where the deadline passed first."""
        return self.waits.until(self._socket, deadline)

    def send(self, data: bytes) -> None:
        view = memoryview(data)
        deadline = self.waits.deadline()
        while view:
            try:
                view = view[self._socket.send(view) :]
            except (ssl.SSLWantWriteError, ssl.SSLWantReadError) as error:
                writing = isinstance(error, ssl.SSLWantWriteError)
                if not self.waits.until(self._socket, deadline, writing=writing):
                    raise TemporaryError(f"{self.host} took no data for {self.waits.patience:g} s") from None
            except OSError as error:
                raise _transport(self.host, error) from error
            else:
                deadline = self.waits.deadline()

    def handshake(self) -> None:
        deadline = self.waits.deadline()
        while True:
            try:
                self._socket.do_handshake()
            except (ssl.SSLWantWriteError, ssl.SSLWantReadError) as error:
                writing = isinstance(error, ssl.SSLWantWriteError)
                if not self.waits.until(self._socket, deadline, writing=writing):
                    raise TemporaryError(f"{self.host} did not end the TLS handshake") from None
            except OSError as error:
                raise _transport(self.host, error) from error
            else:
                return


def connect(
    address: tuple[str, int], context: ssl.SSLContext, waits: Waits, *, check_peer: CheckPeer | None = None
) -> Link:
    """Connect to the first address of a host that answers; `check_peer` sees each one before TLS begins."""
    host, port = address
    problem: TemporaryError | None = None
    for family, kind, protocol, _, place in _resolve(host, port):
        bare = socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, protocol)
        try:
            _open(bare, place, waits)
            if check_peer is not None:
                check_peer(bare.getpeername()[0], bare.getsockname()[0])
            link = Link(context.wrap_socket(bare, server_hostname=host, do_handshake_on_connect=False), address, waits)
        except TemporaryError as error:
            problem = error
            bare.close()
        except BaseException:
            bare.close()
            raise
        else:
            return _shaken(link)
    raise problem or TemporaryError(f"{host} has no address")


def _shaken(link: Link) -> Link:
    try:
        link.handshake()
    except BaseException:
        link.close()
        raise
    return link


def _resolve(host: str, port: int) -> list[tuple[Any, Any, int, str, tuple[Any, ...]]]:
    try:
        return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    except socket.gaierror as error:
        if error.errno == socket.EAI_NONAME:
            raise FailedError(f"there is no host {host}", hint="check the name") from error
        raise TemporaryError(f"the name {host} does not resolve: {error.strerror}") from error


def _open(bare: socket.socket, place: tuple[Any, ...], waits: Waits) -> None:
    if bare.connect_ex(place) and not waits.until(bare, waits.deadline(), writing=True):
        raise TemporaryError(f"{place[0]} port {place[1]} does not answer")
    code = bare.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise TemporaryError(f"cannot connect to {place[0]} port {place[1]}: {os.strerror(code)}")


def _transport(host: str, error: OSError) -> TemporaryError | FailedError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return FailedError(
            f"the certificate of {host} is not trusted: {error.verify_message}",
            hint="add its CA to the node by settings.pki, and check the node's clock",
        )
    return TemporaryError(f"the connection to {host} failed: {error.strerror or error}")
