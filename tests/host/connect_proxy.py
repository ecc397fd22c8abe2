"""A real HTTP proxy on loopback, in the namespace of its caller: opens tunnels, or answers what a test wants."""

from __future__ import annotations

import contextlib
import select
import socket
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
    leads_to: tuple[str, int], says: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n"
) -> Iterator[ConnectProxy]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        proxy = ConnectProxy(listening.getsockname()[1], leads_to, says)
        thread = threading.Thread(target=_accept, args=(listening, proxy))
        thread.start()
        try:
            yield proxy
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def _accept(listening: socket.socket, proxy: ConnectProxy) -> None:
    while True:
        try:
            client, _ = listening.accept()
        except OSError:
            return
        with client, contextlib.suppress(OSError):
            client.settimeout(10)
            head = b""
            while b"\r\n\r\n" not in head:
                head += client.recv(4096)
            proxy.heads.append(head.decode())
            client.sendall(proxy.says)
            if b" 200 " in proxy.says:
                with socket.create_connection(proxy.leads_to, 10) as server:
                    _relay(client, server)


def _relay(one: socket.socket, other: socket.socket) -> None:
    while True:
        for ready in select.select([one, other], [], [], 10)[0]:
            data = ready.recv(1 << 16)
            if not data:
                return
            (other if ready is one else one).sendall(data)
