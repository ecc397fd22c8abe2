"""One DNS server asked by itself: getaddrinfo() does not tell which one answered, or after how long."""

import contextlib
import os
import socket
import time

from agent import dns_question
from agent.dns_question import Taken

SECONDS = 2.0
_PORT = 53
# Without EDNS an answer has 512 bytes at most (RFC 1035, 4.2.1); the header says all that is asked here.
_LONGEST = 512


def ask(server: str, name: str, *, seconds: float = SECONDS, port: int = _PORT) -> Taken:
    """Ask a server for a name over UDP, and return how it took the question; ValueError for what is no name."""
    number = int.from_bytes(os.urandom(2), "big")
    message = dns_question.question(name, number)
    began = time.monotonic()
    # A server without a route, or whose port is closed, gives no answer either.
    with contextlib.suppress(OSError), _link(server, port) as link:
        link.send(message)
        while (left := began + seconds - time.monotonic()) > 0:
            link.settimeout(left)
            code = dns_question.code(link.recv(_LONGEST), number)
            if code is not None:
                return Taken(server, code, time.monotonic() - began)
    return Taken(server)


def _link(server: str, port: int) -> socket.socket:
    """Return a socket that takes datagrams of this server alone."""
    family, kind, _, _, address = socket.getaddrinfo(server, port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)[
        0
    ]
    link = socket.socket(family, kind)
    try:
        link.connect(address)
    except OSError:
        link.close()
        raise
    return link
