"""What scenarios do inside a node, by its test shell."""

import json
from typing import Any

from world.node import Node
from world.shell import Completed

# A token request as a program of the node makes it; the exit status says whether an answer came.
_TOKEN = """
import socket, sys
host, hop = sys.argv[1], socket.create_connection((sys.argv[1], 80), 3)
hop.settimeout(3)
hop.sendall(b"PUT /latest/api/token HTTP/1.1\\r\\nHost: imds\\r\\nContent-Length: 0\\r\\n"
            b"X-aws-ec2-metadata-token-ttl-seconds: 60\\r\\nConnection: close\\r\\n\\r\\n")
sys.exit(0 if hop.recv(12) == b"HTTP/1.1 200" else 1)
"""
IMDS = {"4": "169.254.169.254", "6": "fd00:ec2::254"}
BEHIND = "behind"


def run(node: Node, script: str, timeout: float = 120.0) -> str:
    """Run a script that must succeed, and return its output."""
    done = node.shell(script, timeout)
    assert done.status == 0, f"{script}: exit {done.status}: {done.output}"
    return done.output


def status(node: Node, daemon: str) -> dict[str, Any]:
    """Return what a daemon last said of itself, {} before it said anything."""
    text = node.shell(f"cat /run/node-agent/{daemon}.json").output
    found: dict[str, Any] = json.loads(text) if text.startswith("{") else {}
    return found


def headline(node: Node) -> dict[str, Any] | None:
    """Return the first cause that the doctor names, None where it finds nothing wrong; it is slow on a busy machine."""
    found: dict[str, Any] | None = json.loads(node.shell("node-agent doctor --json", 180).output)["headline"]
    return found


def main_pid(node: Node, unit: str) -> int:
    return int(run(node, f"systemctl show --property MainPID --value {unit}"))


def ask_token(node: Node, family: str, *, behind: bool = False) -> Completed:
    """Ask IMDS for a token from the host, or from a namespace one hop behind it."""
    inside = f"ip netns exec {BEHIND} " if behind else ""
    return node.shell(f"{inside}python3 -c '{_TOKEN}' {IMDS[family]}")


def make_behind(node: Node) -> None:
    """Make a namespace like a pod's: routed through the node and masqueraded by it, in both families."""
    run(
        node,
        f"""set -e
        ip netns add {BEHIND}
        ip link add behind0 type veth peer name eth0 netns {BEHIND}
        ip address add 192.168.77.1/24 dev behind0
        ip address add fd77::1/64 dev behind0 nodad
        ip link set behind0 up
        ip netns exec {BEHIND} sh -c '
          ip link set lo up; ip link set eth0 up
          ip address add 192.168.77.2/24 dev eth0; ip address add fd77::2/64 dev eth0 nodad
          ip route add default via 192.168.77.1; ip -6 route add default via fd77::1'
        nft 'add table inet behind
          add chain inet behind nat {{ type nat hook postrouting priority 100; }}
          add rule inet behind nat ip saddr 192.168.77.0/24 masquerade
          add rule inet behind nat ip6 saddr fd77::/64 masquerade'
        echo 1 > /proc/sys/net/ipv4/ip_forward
        echo 1 > /proc/sys/net/ipv6/conf/all/forwarding""",
    )


def remove_behind(node: Node) -> None:
    run(node, f"ip netns delete {BEHIND}; nft delete table inet behind")
