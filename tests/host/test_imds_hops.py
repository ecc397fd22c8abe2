"""The hop limit of the metadata service, seen from one hop further away: real namespaces, real packets."""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import pytest

from agent.errors import TemporaryError
from agent.host.dial import Address
from agent.host.imds import Imds
from world import imds as service
from world import namespaces
from world.metadata import Metadata
from world.processes import run

pytestmark = pytest.mark.netns

V4 = Address("169.254.169.254", 80)
V6 = Address("fd00:ec2::254", 80)
TREE = {"meta-data/instance-id": "i-0123456789abcdef0"}


class Site:
    """region (the service) -- node (a router) -- pod (one hop more)."""

    def __init__(self, stack: ExitStack) -> None:
        self.metadata = Metadata(TREE)
        self.region, self.node, self.pod = (f"natest-{os.getpid()}-{name}" for name in ("region", "node", "pod"))
        for name in (self.region, self.node, self.pod):
            stack.callback(namespaces.delete, name)
            namespaces.make(name)
        self._join(self.region, self.node, "10.9.1", "fd00:9:1")
        self._join(self.pod, self.node, "10.9.2", "fd00:9:2")
        run(
            [
                "ip",
                "netns",
                "exec",
                self.node,
                "sysctl",
                "-qw",
                "net.ipv4.ip_forward=1",
                "net.ipv6.conf.all.forwarding=1",
            ]
        )
        for address in ("169.254.169.254/32", "fd00:ec2::254/128"):
            run(["ip", "-n", self.region, "address", "add", address, "dev", "lo"])
        for route in (["169.254.169.254", "via", "10.9.1.1"], ["fd00:ec2::254", "via", "fd00:9:1::1"]):
            run(["ip", "-n", self.node, "route", "add", *route])
        with namespaces.entered(self.region):
            listening = [service.listen("169.254.169.254", 80), service.listen("fd00:ec2::254", 80)]
        served = service.Service(listening, lambda _source: self.metadata)
        served.start()
        stack.callback(served.stop)

    @staticmethod
    def _join(outer: str, node: str, net4: str, net6: str) -> None:
        link = net4.replace(".", "-")
        run(["ip", "link", "add", link, "netns", node, "type", "veth", "peer", "name", "up0", "netns", outer])
        for name, dev, number in ((outer, "up0", 1), (node, link, 2)):
            run(["ip", "-n", name, "address", "add", f"{net4}.{number}/24", "dev", dev])
            run(["ip", "-n", name, "address", "add", f"{net6}::{number}/64", "dev", dev, "nodad"])
            run(["ip", "-n", name, "link", "set", dev, "up"])
        run(["ip", "-n", outer, "route", "add", "default", "via", f"{net4}.2"])
        run(["ip", "-n", outer, "route", "add", "default", "via", f"{net6}::2"])


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with ExitStack() as stack:
        yield Site(stack)


def ask(namespace: str, addresses: Sequence[Address]) -> str | None:
    with namespaces.entered(namespace), Imds(addresses) as client:
        return client.get("meta-data/instance-id", within=1.0)


@pytest.mark.parametrize("address", [V4, V6])
@pytest.mark.parametrize("limit", [1, 2])
def test_the_host_is_near_enough(site: Site, address: Address, limit: int) -> None:
    site.metadata.hop_limit = limit
    assert ask(site.node, [address]) == "i-0123456789abcdef0"


@pytest.mark.parametrize("address", [V4, V6])
def test_a_pod_is_too_far_and_the_error_says_so(site: Site, address: Address) -> None:
    site.metadata.hop_limit = 1
    with pytest.raises(TemporaryError, match="hop limit"):
        ask(site.pod, [address])
    site.metadata.hop_limit = 2
    assert ask(site.pod, [address]) == "i-0123456789abcdef0"


def test_both_addresses_too_far(site: Site) -> None:
    site.metadata.hop_limit = 1
    with pytest.raises(TemporaryError, match=r"169\.254\.169\.254: no answer.*fd00:ec2::254\]: no answer.*hop limit"):
        ask(site.pod, [V4, V6])


def test_ipv6_takes_over_where_ipv4_leads_nowhere(site: Site) -> None:
    site.metadata.hop_limit = 1
    run(["ip", "-n", site.node, "route", "replace", "blackhole", "169.254.169.254"])
    assert ask(site.node, [V4, V6]) == "i-0123456789abcdef0"
