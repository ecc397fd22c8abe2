"""A host beyond the VPC that tells each client by which address it came."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

from world import namespaces
from world.listener import Listener, listen

# TEST-NET-2 and the documentation's prefix.
ADDRESSES = {4: "198.51.100.7", 6: "2001:db8:ffff::7"}


class SayWho(BaseHTTPRequestHandler):
    """Tells the client's address, and hangs up."""

    def handle(self) -> None:
        self.wfile.write(self.client_address[0].encode())


@contextlib.contextmanager
def answering(netns: str) -> Iterator[dict[int, int]]:
    """Answer in a namespace that has the addresses; gives the port of each family."""
    with namespaces.entered(netns):
        sockets = {family: listen(address) for family, address in ADDRESSES.items()}
    ports = {family: listening.getsockname()[1] for family, listening in sockets.items()}
    listeners = [Listener(listening, SayWho) for listening in sockets.values()]
    for listener in listeners:
        listener.start()
    try:
        yield ports
    finally:
        for listener in listeners:
            listener.stop()
