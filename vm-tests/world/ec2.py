"""The EC2 API, to which a node's role has no right: it refuses everybody and keeps who came."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from world.facts import REGION
from world.listener import Listener

HOST = f"ec2.{REGION}.amazonaws.com"
PORT = 443
REFUSAL = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<Response><Errors><Error><Code>UnauthorizedOperation</Code>'
    b"<Message>You are not authorized to perform this operation.</Message></Error></Errors></Response>"
)


class Service:
    """The API on a listening socket; every connection counts, whether or not a request comes of it."""

    def __init__(self, listening: socket.socket, certificate: Path, key: Path) -> None:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(certificate, key)
        self._callers: list[str] = []
        self._guard = threading.Lock()
        handler = type("BoundHandler", (Handler,), {"note": staticmethod(self._note)})
        self._listener = Listener(listening, handler, tls)

    def start(self) -> None:
        self._listener.start()

    def stop(self) -> None:
        self._listener.stop()

    @property
    def callers(self) -> list[str]:
        """The source address of every connection so far."""
        with self._guard:
            return list(self._callers)

    def _note(self, source: str) -> None:
        with self._guard:
            self._callers.append(source)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_version = "AmazonEC2"
    sys_version = ""
    timeout = 30

    note: Callable[[str], None]

    def setup(self) -> None:
        self.note(str(self.client_address[0]))
        super().setup()

    def do_GET(self) -> None:
        self._refuse()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._refuse()

    def _refuse(self) -> None:
        self.send_response(403)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(REFUSAL)))
        self.end_headers()
        self.wfile.write(REFUSAL)

    def log_message(self, *_words: object) -> None:
        """Nothing to the terminal: who came is in the service's own list."""
