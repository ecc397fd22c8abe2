"""Links over TLS: a socket that never blocks, so that a daemon can end every wait.

While anything is waited for, `tick` runs at least once a second: a daemon feeds its watchdog there, and raises to give
the connection up.
"""

import errno
import fcntl
import os
import select
import socket
import ssl
import sys
import termios
import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any, TypeAlias

from agent.errors import FailedError, TemporaryError
from agent.host import resolver
from agent.host.nested_tls import NestedTls
from agent.host.resolver import Place
from agent.proxies import Proxy

Tick: TypeAlias = Callable[[], None]
# Is given the peer's and our own address before a byte is sent, and raises to refuse the peer.
CheckPeer: TypeAlias = Callable[[str, str], None]
Context: TypeAlias = ssl.SSLContext
_Secured: TypeAlias = ssl.SSLSocket | NestedTls
_Stream: TypeAlias = socket.socket | _Secured

_DEFAULT_PORTS = {443: True, 80: False}
_SLICE = 1.0
_CHUNK = 1 << 16
# What a proxy says to CONNECT; a longer head is not a proxy's.
_HEAD_LIMIT = 16 << 10


def no_tick() -> None:
    """Do nothing: for a command that has no watchdog to feed."""


@dataclass(frozen=True, slots=True)
class Waits:
    """What runs during a wait, and how many seconds may pass without progress."""

    tick: Tick = no_tick
    patience: float = 20.0

    def until(self, handle: _Stream | int, deadline: float, *, writing: bool = False) -> bool:
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


def trusting(ca: Path) -> Context:
    """Return a context that trusts the certificates of a file alone; OSError where it holds none.

    Not create_default_context(): from Python 3.13 that refuses CAs without an authority key identifier, which Go and so
    kubelet accept.
    """
    context = Context(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(ca)
    return context


def trusting_anybody() -> ssl.SSLContext:
    """Return a context that checks no certificate: to ask whether somebody serves, never to tell him anything."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Link:
    """An open connection to a named host: TLS once it is secured, plain where a setting allowed it."""

    def __init__(self, opened: _Stream, address: tuple[str, int], waits: Waits) -> None:
        self.host, self._port = address
        self.waits = waits
        self._socket = opened

    @property
    def authority(self) -> str:
        """Host and port as a Host header says them; SigV4 signs them so, too."""
        bracketed = f"[{self.host}]" if ":" in self.host else self.host
        usual = _DEFAULT_PORTS.get(self._port) is isinstance(self._socket, _Secured)
        return bracketed if usual else f"{bracketed}:{self._port}"

    def behind(self, address: tuple[str, int]) -> "Link":
        """Return the same connection as one to a host to which a proxy has opened a tunnel."""
        return Link(self._socket, address, self.waits)

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def receive(self) -> bytes | None:
        """Return what has arrived (nothing at the end), or None where nothing has; never waits."""
        try:
            return self._socket.recv(_CHUNK)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
            return None
        except OSError as error:
            raise _transport(self.host, error) from error

    def unsent(self) -> int:
        """Return how many bytes the kernel has taken and the peer has not (SIOCOUTQ, tcp(7))."""
        return int.from_bytes(fcntl.ioctl(self._socket, termios.TIOCOUTQ, bytes(4)), sys.byteorder)

    def wait(self, deadline: float) -> bool:
        """Wait for something to arrive; False where the deadline passed first."""
        return self.waits.until(self._socket, deadline)

    def send(self, data: bytes) -> None:
        view = memoryview(data)
        deadline = self.waits.deadline()
        while view:
            try:
                view = view[self._socket.send(view) :]
            except (ssl.SSLWantWriteError, ssl.SSLWantReadError, BlockingIOError) as error:
                writing = not isinstance(error, ssl.SSLWantReadError)
                if not self.waits.until(self._socket, deadline, writing=writing):
                    raise TemporaryError(f"{self.host} took no data for {self.waits.patience:g} s") from None
            except OSError as error:
                raise _transport(self.host, error) from error
            else:
                deadline = self.waits.deadline()

    def secure(self, context: Context) -> None:
        """Agree on TLS with the host, in the tunnel where there is TLS with a proxy already."""
        self._socket = secured = _session(self._socket, context, self.host)
        deadline = self.waits.deadline()
        while True:
            try:
                secured.do_handshake()
            except (ssl.SSLWantWriteError, ssl.SSLWantReadError) as error:
                writing = isinstance(error, ssl.SSLWantWriteError)
                if not self.waits.until(secured, deadline, writing=writing):
                    raise TemporaryError(f"{self.host} did not end the TLS handshake") from None
            except OSError as error:
                raise _transport(self.host, error) from error
            else:
                return


@dataclass(frozen=True, slots=True)
class Way:
    """How a host is reached: `context` is None for plain HTTP; a peer is looked at before a byte is sent.

    A proxy resolves the host by itself: then the check sees the host as it was written, and no address of ours. It must
    be trusted by the same context where it wants TLS itself.
    """

    context: Context | None
    check_peer: CheckPeer | None = None
    proxy: Proxy | None = None


def addresses(address: tuple[str, int], waits: Waits) -> frozenset[str]:
    """Return the addresses that a host's name has now."""
    return frozenset(str(place.address[0]) for place in _resolved(*address, waits))


def connect(address: tuple[str, int], way: Way, waits: Waits) -> Link:
    """Connect to the first address of a host, or of the proxy before it, that answers."""
    if way.proxy is not None and way.check_peer is not None:
        way.check_peer(address[0], "")
    problem: TemporaryError | None = None
    for place in _resolved(*((way.proxy.host, way.proxy.port) if way.proxy else address), waits):
        try:
            return _reach(place, address, way, waits)
        except TemporaryError as error:
            problem = error
        except OSError as error:  # the family is not there, or the peer went as soon as it came
            problem = TemporaryError(f"cannot connect to {place.address[0]}: {error.strerror}")
    raise problem or TemporaryError(f"{address[0]} has no address")


def _reach(place: Place, address: tuple[str, int], way: Way, waits: Waits) -> Link:
    """Connect to one address, and agree on TLS; whatever goes wrong, the socket is closed."""
    bare = socket.socket(place.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    link = Link(bare, (way.proxy.host, way.proxy.port) if way.proxy else address, waits)
    try:
        _open(bare, place.address, waits)
        if way.proxy is not None:
            if way.proxy.secured and way.context is not None:
                link.secure(way.context)
            _tunnel(link, way.proxy, address)
            link = link.behind(address)
        elif way.check_peer is not None:
            way.check_peer(bare.getpeername()[0], bare.getsockname()[0])
        if way.context is not None:
            link.secure(way.context)
    except BaseException:
        link.close()
        raise
    return link


def _session(stream: _Stream, context: Context, host: str) -> _Secured:
    if isinstance(stream, _Secured):
        return NestedTls(stream, context, host)
    return context.wrap_socket(stream, server_hostname=host, do_handshake_on_connect=False)


def _resolved(host: str, port: int, waits: Waits) -> list[Place]:
    if waits.tick is no_tick or _is_address(host):
        return resolver.resolve(host, port)
    deadline = waits.deadline()
    return resolver.resolve_apart(host, port, lambda reader: waits.until(reader, deadline))


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _open(bare: socket.socket, place: tuple[Any, ...], waits: Waits) -> None:
    code = bare.connect_ex(place)
    if code == errno.EINPROGRESS:
        if not waits.until(bare, waits.deadline(), writing=True):
            raise TemporaryError(f"{place[0]} port {place[1]} does not answer")
        code = bare.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise TemporaryError(f"cannot connect to {place[0]} port {place[1]}: {os.strerror(code)}")


def _tunnel(link: Link, proxy: Proxy, address: tuple[str, int]) -> None:
    """Have the proxy open a tunnel to the host (RFC 9110, 9.3.6); TLS with that begins only after its answer."""
    host, port = address
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    link.send(proxy.tunnel(authority))
    status = _status(_head(link))
    if 200 <= status < 300:
        return
    message = f"the proxy {proxy.host}:{proxy.port} answered {status} to CONNECT {authority}"
    if status in {408, 425, 429} or status >= 500:
        raise TemporaryError(message)
    hint = "see the name and password in" if status == 407 else "let the proxy allow it, or see"
    raise FailedError(message, hint=f"{hint} settings.network.https-proxy and no-proxy")


def _head(link: Link) -> bytes:
    head, deadline = bytearray(), link.waits.deadline()
    while b"\r\n\r\n" not in head and len(head) < _HEAD_LIMIT:
        came = link.receive()
        if came == b"":
            raise TemporaryError(f"the proxy {link.host} closed the connection without an answer")
        if came is None and not link.wait(deadline):
            raise TemporaryError(f"the proxy {link.host} did not answer within {link.waits.patience:g} s")
        head += came or b""
    return bytes(head)


def _status(head: bytes) -> int:
    words = head.split(maxsplit=2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
        raise TemporaryError("the proxy does not speak HTTP")
    return int(words[1])


def _transport(host: str, error: OSError) -> TemporaryError | FailedError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return FailedError(
            f"the certificate of {host} is not trusted: {error.verify_message}",
            hint="add its CA to the node by settings.pki, and check the node's clock",
        )
    return TemporaryError(f"the connection to {host} failed: {error.strerror or error}")
