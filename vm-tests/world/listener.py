"""Serve a listening socket from threads, and end every connection with it."""

from __future__ import annotations

import socket
import socketserver
import ssl
import threading
from typing import Any


def listen(address: str, port: int = 0) -> socket.socket:
    """Return a listening TCP socket in the calling thread's network namespace."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.create_server((address, port), family=family, backlog=128)


class Listener(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """A socket server on a socket that is already listening; `stop` also closes what clients hold open."""

    daemon_threads = True
    block_on_close = False

    def __init__(
        self,
        listening: socket.socket,
        handler: type[socketserver.BaseRequestHandler],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        socketserver.BaseServer.__init__(self, listening.getsockname(), handler)
        # The handshake waits for the connection's own thread, so that a silent client holds up nobody.
        self.socket = (
            listening if tls is None else tls.wrap_socket(listening, server_side=True, do_handshake_on_connect=False)
        )
        self._open: set[socket.socket] = set()
        self._guard = threading.Lock()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()
        with self._guard:
            for connection in self._open:
                connection.shutdown(socket.SHUT_RDWR)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._guard:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._guard:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that hangs up or distrusts the certificate is part of many a test."""
