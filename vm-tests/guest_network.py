"""What scenarios of the network do inside a node: news of its kernel, what it holds of an ENI, a pod of an ENI."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address

import guest
from world.eni import Eni
from world.node import Node
from world.vpc import ROUTER6

UNIT = "node-agent-network.service"
NEWS = "/run/netlink-news"
POD = "eni-pod"
POD_PORT = 8080
# Writes a line for each message of the kernel: its type, the port of the program that caused it, the link it is about.
_NEWS = f"""
import socket, struct
news = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
news.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)
news.bind((0, 0x1 | 0x10 | 0x40 | 0x80 | 0x100 | 0x400))
news.setsockopt(270, 1, 19)
with open("{NEWS}", "w", buffering=1) as out:
    while True:
        data = news.recv(1 << 20)
        while len(data) >= 24:
            length, kind, _, _, writer, _, index = struct.unpack_from("=IHHIIii", data)
            print(kind, writer, index, file=out)
            data = data[length + 3 & ~3 :]
"""
_PORTS = """
import os, sys
opened = {os.readlink(f"/proc/{sys.argv[1]}/fd/{name}") for name in os.listdir(f"/proc/{sys.argv[1]}/fd")}
rows = [line.split() for line in open(f"/proc/{sys.argv[1]}/net/netlink").readlines()[1:]]
print(*(row[2] for row in rows if f"socket:[{row[9]}]" in opened))
"""
_POD = f"""
import json, os, socket, subprocess, sys
conflist = json.load(open("/etc/cni/net.d/10-node-agent.conflist"))
config = {{**conflist["plugins"][0], "name": conflist["name"], "cniVersion": conflist["cniVersion"]}}
environment = {{
    "CNI_COMMAND": sys.argv[1], "CNI_CONTAINERID": "{POD}", "CNI_NETNS": "/run/netns/{POD}", "CNI_IFNAME": "eth0",
    "CNI_PATH": "/opt/cni/bin", "CNI_ARGS": f"IP={{sys.argv[2]}}", "PATH": os.environ["PATH"],
}}
sys.exit(subprocess.run(["/opt/cni/bin/ptp"], input=json.dumps(config).encode(), env=environment).returncode)
"""
_ANSWER = f"""
import socket
listening = socket.create_server(("", {POD_PORT}))
while True:
    connection, _ = listening.accept()
    connection.sendall(b"pod")
    connection.close()
"""
_VISIT = """
import socket, sys
peer = socket.create_connection((sys.argv[1], int(sys.argv[2])), 5, source_address=(sys.argv[3], 0))
print(peer.recv(100).decode())
"""
_LINKS, _ADDRESSES, _ROUTES, _RULES = range(16, 18), range(20, 22), range(24, 26), range(32, 34)


@dataclass(frozen=True)
class News:
    """A message of the guest's kernel; `writer` is 0 for what it did by itself, and for some changes of links."""

    kind: int
    writer: int
    index: int

    def is_about(self, indexes: Iterable[int]) -> bool:
        return self.kind in {*_LINKS, *_ADDRESSES} and self.index in indexes


def python(script: str, *arguments: str) -> str:
    """Return a command that runs a script; it travels so that nothing in it means anything to a shell."""
    encoded = base64.b64encode(script.encode()).decode()
    return " ".join([f"python3 -c 'import base64; exec(base64.b64decode(\"{encoded}\"))'", *arguments])


def start_news(node: Node) -> None:
    """Note every change of links, addresses, routes and rules from now on."""
    guest.run(node, f"rm -f {NEWS}; systemd-run --quiet --collect --unit netlink-news {python(_NEWS)}")
    guest.run(node, f"timeout 30 bash -c 'until test -e {NEWS}; do sleep 0.1; done'")


def take_news(node: Node) -> list[News]:
    """Return what has been noted; the note-taker ends when it misses something."""
    text = guest.run(node, f"systemctl is-active --quiet netlink-news && cat {NEWS}")
    return [News(*map(int, line.split())) for line in text.splitlines()]


def stop_news(node: Node) -> None:
    guest.run(node, "systemctl stop netlink-news")


def netlink_ports(node: Node) -> set[int]:
    """Return the ports by which the kernel names the network daemon as a writer."""
    return set(map(int, guest.run(node, python(_PORTS, str(guest.main_pid(node, UNIT)))).split()))


def index_of(node: Node, name: str) -> int:
    return int(guest.run(node, f"cat /sys/class/net/{name}/ifindex"))


def held(node: Node) -> set[str]:
    """Return every rule and route that the node's kernel has, as `ip` shows them."""
    script = "for f in -4 -6; do ip $f rule show; ip $f route show table all; done"
    return {" ".join(line.split()) for line in guest.run(node, script).splitlines()}


def expected(eni: Eni, name: str) -> set[str]:
    """Return the rules and routes that the kernel must have of a secondary ENI of the first network card."""
    table, host4, host6 = eni.device_number + 1, eni.addresses[0], eni.addresses6[0]
    fallback = "proto 157 metric 4278198272"
    lines = {
        f"{eni.subnet.gateway} dev {name} table {table} proto 157 scope link",
        f"default via {eni.subnet.gateway} dev {name} table {table} proto 157",
        f"unreachable default table {table} {fallback}",
        f"{ROUTER6} dev {name} table {table} proto 157 metric 1024 pref medium",
        f"default via {ROUTER6} dev {name} table {table} proto 157 metric 1024 pref medium",
        f"unreachable default dev lo table {table} {fallback} pref medium",
        f"32765: from {host4} lookup {table}",
        f"32765: from {host6} lookup {table}",
    }
    for prefix in (*eni.prefixes, *eni.prefixes6):
        lines |= {f"512: from all to {prefix} lookup main", f"1536: from {prefix} lookup {table}"}
        lines.add(
            f"unreachable {prefix} proto 157"
            if ip_address(prefix[0]).version == 4
            else f"unreachable {prefix} dev lo proto 157 metric 1024 pref medium"
        )
    return lines


def residue(node: Node, eni: Eni) -> set[str]:
    """Return what the kernel still has of an ENI that is gone."""
    words = {*map(str, eni.addresses), *map(str, eni.addresses6), *map(str, eni.prefixes), *map(str, eni.prefixes6)}
    table = str(eni.device_number + 1)
    return {
        line
        for line in held(node)
        if words & set(line.split()) or f" table {table} " in f"{line} " or line.endswith(f" lookup {table}")
    }


def visit(node: Node, host: str, port: int, source: str) -> str:
    """Connect from one of the node's own addresses, and return what the host says."""
    return guest.run(node, python(_VISIT, host, str(port), source)).strip()


def start_pod(node: Node, address: str) -> None:
    """Let the CNI plug-in give a network namespace this address, and a server in it answer."""
    guest.run(node, f"ip netns add {POD} && {python(_POD, 'ADD', address)}")
    server = python(_ANSWER)
    guest.run(node, f"systemd-run --quiet --collect --unit {POD} ip netns exec {POD} {server}")


def stop_pod(node: Node, address: str) -> None:
    guest.run(node, f"systemctl stop {POD}; {python(_POD, 'DEL', address)}; ip netns delete {POD}")
