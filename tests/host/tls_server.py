"""A real TLS server on loopback whose answers a test writes, byte by byte."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from host.connect_proxy import read_head

from world import pki

HOST = "localhost"


@dataclass
class Server:
    """Where it listens, the CA that signs it, who it is, and the heads and bodies of the requests so far."""

    port: int
    authority: Path
    context: ssl.SSLContext = field(default_factory=lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    heads: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)


# Is given the connection, the request's head and what came behind it; returns the body that it read.
Answer = Callable[[ssl.SSLSocket, str, bytes], bytes]


def respond(status: str, body: bytes = b"", **headers: str) -> bytes:
    fields = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{fields}\r\n".encode() + body


def say(*answers: bytes) -> Answer:
    """Answer each request with the next of these bytes, once its body is in; the last is repeated."""
    left = list(answers)

    def answer(link: ssl.SSLSocket, head: str, rest: bytes) -> bytes:
        body = read_body(link, head, rest)
        link.sendall(left.pop(0) if len(left) > 1 else left[0])
        return body

    return answer


def read_body(link: ssl.SSLSocket, head: str, rest: bytes) -> bytes:
    lengths = [line.partition(":")[2] for line in head.splitlines() if line.lower().startswith("content-length:")]
    length = int(lengths[0]) if lengths else 0
    if "expect: 100-continue" in head.lower():
        link.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = bytearray(rest)
    while len(body) < length:
        piece = link.recv(1 << 16)
        if not piece:
            raise ConnectionError("the client went")
        body += piece
    return bytes(body)


@contextlib.contextmanager
def serving(folder: Path, answer: Answer, *names: str) -> Iterator[Server]:
    """Serve as localhost, or by other names."""
    authority = pki.authority("test")
    certificate, key = authority.server("server", names=names or [HOST]).write(folder, "server")
    ca = folder / "ca.crt"
    ca.write_bytes(authority.certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = Server(listening.getsockname()[1], ca, context)
        thread = threading.Thread(target=_accept, args=(listening, server, answer))
        thread.start()
        try:
            yield server
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def _accept(listening: socket.socket, server: Server, answer: Answer) -> None:
    while True:
        try:
            bare, _ = listening.accept()
        except OSError:
            return
        bare.settimeout(10)
        with contextlib.suppress(OSError), server.context.wrap_socket(bare, server_side=True) as link:
            head, _, rest = read_head(link).partition(b"\r\n\r\n")
            server.heads.append(head.decode())
            server.bodies.append(answer(link, head.decode(), rest))
