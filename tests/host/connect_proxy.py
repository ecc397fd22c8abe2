"""A real HTTP proxy on loopback, in the namespace of its caller: opens tunnels, or answers what a test wants.

It is spoken to by TLS where a test gives it a context.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class ConnectProxy:
    """Where it listens, where its tunnels lead, what it says instead, and the heads that it has seen."""

    port: int
    leads_to: tuple[str, int]
    says: bytes
    heads: list[str] = field(default_factory=list)


@contextlib.contextmanager
def proxying(
    leads_to: tuple[str, int],
    says: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n",
    context: ssl.SSLContext | None = None,
) -> Iterator[ConnectProxy]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        proxy = ConnectProxy(listening.getsockname()[1], leads_to, says)
        thread = threading.Thread(target=_accept, args=(listening, proxy, context))
        thread.start()
        try:
            yield proxy
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def _accept(listening: socket.socket, proxy: ConnectProxy, context: ssl.SSLContext | None) -> None:
    while True:
        try:
            bare, _ = listening.accept()
        except OSError:
            return
        bare.settimeout(10)
        with contextlib.suppress(OSError), _client(bare, context) as client:
            head = read_head(client)
            proxy.heads.append(head.decode())
            client.sendall(proxy.says)
            if b" 200 " in proxy.says:
                with socket.create_connection(proxy.leads_to, 10) as server:
                    _relay(client, server)


def read_head(client: socket.socket) -> bytes:
    """Read to the end of a request's head; ConnectionError where the client goes before."""
    head = b""
    while b"\r\n\r\n" not in head:
        piece = client.recv(1 << 16)
        if not piece:
            raise ConnectionError("the client went")
        head += piece
    return head


def _client(bare: socket.socket, context: ssl.SSLContext | None) -> socket.socket:
    with contextlib.ExitStack() as undo:
        undo.callback(bare.close)
        client = context.wrap_socket(bare, server_side=True) if context else bare
        undo.pop_all()
    return client


def _relay(one: socket.socket, other: socket.socket) -> None:
    while True:
        for ready in select.select([one, other], [], [], 10)[0]:
            data = _received(ready)
            if not data:
                return
            (other if ready is one else one).sendall(data)


def _received(ready: socket.socket) -> bytes:
    data = ready.recv(1 << 16)
    # What TLS has unpacked already, no select() tells of.
    while isinstance(ready, ssl.SSLSocket) and ready.pending():
        data += ready.recv(1 << 16)
    return data
