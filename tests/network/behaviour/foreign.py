"""What is not the daemon's: other links, a CNI's rules and routes for its pods, rules and tables of anybody."""

from __future__ import annotations

from network.behaviour import kernel
from network.behaviour.ground import Ground

# A pod of the steady ENI's prefix, as a CNI routes it, and of a network that no ENI has.
LINES = (
    "link add name cni0 type bridge",
    "link add name veth1 type veth peer name pod1",
    "link set dev cni0 up",
    "link set dev pod1 up",
    "link set dev veth1 up",
    "address add 192.0.2.1/24 dev cni0",
    "route add 192.0.2.77/32 dev veth1",
    "route add 198.51.100.0/24 dev veth1 table 77",
    "route add default dev veth1 table 30200 proto static",
    "route add blackhole 203.0.113.0/24 proto 99",
    "-6 route add 2001:db8:ffff::/64 dev veth1 metric 7",
    "rule add priority 10 iif veth1 lookup 101",
    "rule add priority 100 from 198.51.100.7 lookup 77",
    "rule add priority 512 to 192.0.2.77/32 lookup main",
    "rule add priority 1536 from 192.0.2.77/32 lookup 77",
    "rule add priority 1535 to 172.20.0.0/16 lookup main",
    "rule add priority 20000 fwmark 0x1/0x1 lookup 77",
    "rule add priority 30200 from 198.51.100.8 lookup 30200 protocol 99",
    "-6 rule add priority 1000 from 2001:db8:ffff::/64 lookup 77",
)
MARKS = ("192.0.2.", "198.51.100.", "203.0.113.", "2001:db8:ffff:", "veth1", "172.20.", "0x1/0x1", "table 30200")


class Foreign:
    """Other people's objects on a node."""

    def __init__(self, node: Ground) -> None:
        self._node = node
        self._before: list[str] = []

    def make(self) -> None:
        self._node.batch(*LINES)
        self._before = self._seen()
        assert len(self._before) >= len([line for line in LINES if "route" in line or "rule" in line])

    def assert_untouched(self) -> None:
        assert self._seen() == self._before

    def _seen(self) -> list[str]:
        name = self._node.name
        lines = [*kernel.rules(name), *kernel.routes(name)]
        addresses = [f"address {address}" for address in kernel.addresses(name, "cni0")]
        marked = [line for line in lines if any(mark in line for mark in MARKS)]
        return [*marked, *addresses, *sorted({"cni0", "veth1", "pod1"} & kernel.links(name))]
