"""The world beyond the VPC: a public network with a private registry, and the proxy that is the way to it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

import tools
from world import namespaces, oci, registry
from world.ownership import Home
from world.processes import run
from world.proxy import Proxy
from world.registry import Registry
from world.vpc import Vpc

# Outside of every network of the VPC (TEST-NET-3): what a node sends there goes through its proxy, if it has one.
NETWORK = "203.0.113.0/24"
REGISTRY = "203.0.113.20"
PROXY = "10.0.0.12"
IMAGE = "tools/busybox:1"
TABLE = "egress"
RULES = f"""
table inet {TABLE} {{
  counter dropped {{ }}
  chain out {{
    type filter hook forward priority 0
    ip daddr {NETWORK} ip saddr != {PROXY} counter name dropped drop
  }}
}}
"""


class Outside:
    """A registry outside with one image, and a proxy in the VPC; both end with the context."""

    def __init__(self, home: Home, vpc: Vpc, resolver: str) -> None:
        self._vpc = vpc
        self._spaces = (home.namespace("outside"), home.namespace("proxy"))
        outside, inside = self._spaces
        for name in self._spaces:
            namespaces.make(name, resolver=resolver)
        vpc.attach(outside, REGISTRY)
        vpc.attach(inside, PROXY)
        vpc.know({registry.HOST: REGISTRY})
        self.registry = Registry(home.path / "registry", netns=outside, address=REGISTRY)
        self.proxy = Proxy(home.path / "proxy", netns=inside, address=PROXY)
        self.image = self.registry.push(IMAGE, oci.busybox(tools.root() / "usr/bin/busybox"))

    def close(self) -> None:
        self.proxy.stop()
        self.registry.stop()
        for name in self._spaces:
            namespaces.delete(name)

    @contextlib.contextmanager
    def only_by_proxy(self) -> Iterator[None]:
        """Drop what any other machine of the VPC sends outside, while the context lasts."""
        run(["nft", "-f", "-"], stdin=RULES, netns=self._vpc.netns)
        try:
            yield
        finally:
            run(["nft", "delete", "table", "inet", TABLE], netns=self._vpc.netns)

    def dropped(self) -> int:
        """Return how many packets tried another way than the proxy."""
        listed = json.loads(run(["nft", "-j", "list", "counters", "table", "inet", TABLE], netns=self._vpc.netns))
        return sum(entry["counter"]["packets"] for entry in listed["nftables"] if "counter" in entry)
