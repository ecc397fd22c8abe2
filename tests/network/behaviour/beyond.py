"""What is beyond the ENIs: the subnet's router on each port, and a host that tells who called it by which port."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

from network.behaviour.card import GATEWAY6, Card
from network.behaviour.ground import Ground

from world import namespaces

HOSTS = {4: "198.51.100.9", 6: "2001:db8:f::9"}
FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
PORT = 8080


@contextlib.contextmanager
def routed(node: Ground, *cards: Card) -> Iterator[None]:
    """Let the far end of each ENI be a router, with a host behind it that answers in both families."""
    node.fabric_ip("link", "set", "dev", "lo", "up")
    for host in HOSTS.values():
        node.fabric_ip("address", "add", host, "dev", "lo")
    with contextlib.ExitStack() as stack:
        for card in cards:
            port = f"far-{card.place}"
            node.fabric_ip("address", "add", f"{card.gateway4}/{card.subnet4.prefixlen}", "dev", port)
            node.fabric_ip("address", "add", f"{GATEWAY6}/64", "dev", port, "nodad")
            node.fabric_ip("-6", "route", "add", str(card.subnet6), "dev", port)
            for family in FAMILIES.values():
                stack.enter_context(_answering(node, port, family))
        yield


def call(node: Ground, source: str) -> str:
    """Call the host from one of the node's addresses, and return what it says: the port and the caller."""
    host = HOSTS[6 if ":" in source else 4]
    with namespaces.entered(node.name), socket.create_connection((host, PORT), 10.0, (source, 0)) as connection:
        return connection.recv(100).decode()


@contextlib.contextmanager
def _answering(node: Ground, port: str, family: socket.AddressFamily) -> Iterator[None]:
    """Answer what comes in by a port alone, so that an answer proves by which it came."""
    with namespaces.entered(node.fabric):
        listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, port.encode())
    if family == socket.AF_INET6:
        listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    listening.bind(("", PORT))
    listening.listen()
    answering = threading.Thread(target=_answer, args=(listening, port))
    answering.start()
    try:
        yield
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        answering.join()
        listening.close()


def _answer(listening: socket.socket, port: str) -> None:
    while True:
        try:
            connection, caller = listening.accept()
        except OSError:  # shut down
            return
        with connection:
            connection.sendall(f"{port} {caller[0]}".encode())
