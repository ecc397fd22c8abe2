"""The instance metadata service, version 2 only, as EC2 runs it; needs no world around it."""

from __future__ import annotations

import contextlib
import re
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler

from world.listener import Listener, listen
from world.metadata import MAXIMUM_TTL, Metadata, Request

ADDRESSES = ("169.254.169.254", "fd00:ec2::254")
PORT = 80
TOKEN = "X-aws-ec2-metadata-token"
TTL = "X-aws-ec2-metadata-token-ttl-seconds"
VERSIONED = re.compile(r"/(latest|\d{4}-\d{2}-\d{2})(?:/(.*))?")
DEFAULT_HOPS = 64

Lookup = Callable[[str], Metadata | None]


class Service:
    """The service on some sockets; `lookup` tells from the source address which instance asks."""

    def __init__(self, listening: Sequence[socket.socket], lookup: Lookup) -> None:
        handler = type("BoundHandler", (Handler,), {"lookup": staticmethod(lookup)})
        self._listeners = [Listener(each, handler) for each in listening]

    def start(self) -> None:
        for listener in self._listeners:
            listener.start()

    def stop(self) -> None:
        for listener in self._listeners:
            listener.stop()


@contextlib.contextmanager
def serving(metadata: Metadata, address: str = "127.0.0.1") -> Iterator[str]:
    """Serve one instance's metadata to whoever asks, and give the URL."""
    listening = listen(address)
    service = Service([listening], lambda _source: metadata)
    host = f"[{address}]" if ":" in address else address
    service.start()
    try:
        yield f"http://{host}:{listening.getsockname()[1]}"
    finally:
        service.stop()


class Handler(BaseHTTPRequestHandler):
    """One connection of one instance."""

    protocol_version = "HTTP/1.1"
    server_version = "EC2ws"
    sys_version = ""
    timeout = 60  # of an idle connection
    wbufsize = 65536  # head and body in one packet
    lookup: Lookup

    metadata: Metadata
    request: socket.socket

    def setup(self) -> None:
        super().setup()
        found = self.lookup(self.client_address[0])
        if found is None:  # EC2 does not route this source to a metadata service at all
            raise ConnectionAbortedError
        self.metadata = found

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._answer(self._give_token)

    def do_GET(self) -> None:
        self._answer(self._give_value)

    def do_HEAD(self) -> None:
        self._answer(self._give_value)

    def _answer(self, regular: Callable[[str, str], None]) -> None:
        self._set_hops(DEFAULT_HOPS)
        version, path = self._parse()
        fault = self.metadata.fault_at(path)
        time.sleep(fault.delay)
        if fault.hang:
            self._log(0)
            self.request.settimeout(None)
            self.rfile.read(1)  # until the client hangs up or the service stops
            self.close_connection = True
        elif fault.status is not None:
            self._send(fault.status, b"", retry_after=fault.retry_after)
        elif fault.empty:
            self._send(200, b"")
        else:
            regular(version, path)

    def _give_token(self, version: str, path: str) -> None:
        ttl = self.headers.get(TTL, "")
        if path != "api/token":
            self._send(405, b"")
        elif version != "latest" or "X-Forwarded-For" in self.headers:
            self._send(403, b"")
        elif not ttl.isdecimal() or not 1 <= int(ttl) <= MAXIMUM_TTL:
            self._send(400, b"")
        else:
            self._set_hops(self.metadata.hop_limit)
            self._send(200, self.metadata.issue_token(int(ttl)).encode(), ttl=ttl)

    def _give_value(self, _version: str, path: str) -> None:
        if not self.metadata.accepts(self.headers.get(TOKEN)):
            self._send(401, b"")
            return
        body = self.metadata.read(path)
        if body is None:
            self._send(404, b"")
        else:
            self._send(200, body, kind="application/octet-stream" if path == "user-data" else "text/plain")

    def _parse(self) -> tuple[str, str]:
        matched = VERSIONED.fullmatch(self.path.partition("?")[0])
        return (matched[1], matched[2] or "") if matched else ("", "no/such/version")

    def _send(
        self,
        status: int,
        body: bytes,
        *,
        kind: str = "text/plain",
        ttl: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if ttl is not None:
            self.send_header(TTL, ttl)
        if retry_after is not None:
            self.send_header("Retry-After", str(retry_after))
        self.end_headers()
        self._log(status)
        if self.command != "HEAD":
            self.wfile.write(body)

    def date_time_string(self, timestamp: float | None = None) -> str:
        """Return the Date header, by the clock that the test gave the service."""
        return super().date_time_string((timestamp or time.time()) + self.metadata.clock_ahead)

    def _set_hops(self, hops: int) -> None:
        """Only a token's packets are short-lived; on the listening socket the limit would kill the handshake."""
        if self.request.family == socket.AF_INET6:
            self.request.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, hops)
        else:
            self.request.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, hops)

    def _log(self, status: int) -> None:
        source = str(self.client_address[0])
        self.metadata.record(Request(time.monotonic(), source, self.command, self.path, status))

    def log_message(self, *_words: object) -> None:
        """Nothing to the terminal: the requests are in the metadata's own list."""
