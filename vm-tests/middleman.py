"""Somebody in the middle of the way to S3: passes bytes on, slowly, not to the end, or answers by himself."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeAlias

from world import namespaces

# Is given the client's connection, and what opens one to the real server.
Fault: TypeAlias = Callable[[ssl.SSLSocket, Callable[[], ssl.SSLSocket]], None]
CHUNK = 1 << 16
PATIENCE = 60.0


def passes(*, rate: int | None = None, most: int | None = None) -> Fault:
    """Pass everything on; at most so many bytes a second, and reset the connection after so many from the client."""

    def relay(client: ssl.SSLSocket, server: Callable[[], ssl.SSLSocket]) -> None:
        passed, pause = 0, threading.Event()
        with server() as behind:
            while True:
                ready = [one for one in (client, behind) if one.pending()] or select.select([client, behind], [], [])[0]
                for one in ready:
                    data = one.recv(CHUNK)
                    if not data:
                        return
                    (behind if one is client else client).sendall(data)
                    passed += len(data) if one is client else 0
                if rate is not None:
                    pause.wait(len(data) / rate)
                if most is not None and passed >= most:
                    # Linger for no time: a reset instead of an orderly end.
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    return

    return relay


def answers(status: str, body: bytes = b"", *headers: str) -> Fault:
    """Answer by himself, whatever is asked."""

    def answer(client: ssl.SSLSocket, _server: Callable[[], ssl.SSLSocket]) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(CHUNK)
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
        client.sendall(("\r\n".join(lines) + "\r\n\r\n").encode() + body)

    return answer


class Middleman:
    """Listens as S3 does; each connection gets the next fault, and after the last one is passed on."""

    def __init__(
        self,
        listening: socket.socket,
        certificate: tuple[Path, Path],
        behind: tuple[str, str, str],
        faults: Iterable[Fault],
    ) -> None:
        """Serve at once; `behind` is the namespace, address and name of the real server."""
        self.connections = 0
        self._listening = listening
        self._behind = behind
        self._faults = list(faults)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(*certificate)
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def stop(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(PATIENCE)

    def _accept(self) -> None:
        while True:
            try:
                bare, _ = self._listening.accept()
            except OSError:
                return
            bare.settimeout(PATIENCE)
            self.connections += 1
            fault = self._faults.pop(0) if self._faults else passes()
            with contextlib.suppress(OSError), self._context.wrap_socket(bare, server_side=True) as client:
                fault(client, self._connect)

    def _connect(self) -> ssl.SSLSocket:
        namespace, address, name = self._behind
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with namespaces.entered(namespace):
            bare = socket.create_connection((address, 443), PATIENCE)
        return context.wrap_socket(bare, server_hostname=name)
