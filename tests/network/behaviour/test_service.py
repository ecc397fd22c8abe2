"""An ENI that a service of another account attached is that service's: it comes up, and nothing of it is touched."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from network.behaviour import kernel
from network.behaviour.card import Card
from network.behaviour.ground import Ground, ground, key, running

from world.metadata import Fault

pytestmark = pytest.mark.netns

PRIMARY, SERVICE = Card(0, prefixes4=1, ipv6=False), Card(1, prefixes4=1, ipv6=False)
LINK = f"eth{SERVICE.place}"
SYSCTLS = ("net/ipv4/conf/{}/rp_filter", "net/ipv6/conf/{}/accept_ra", "net/ipv6/conf/{}/autoconf")


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Ground]:
    """A node with such an ENI, configured as its owner likes it: with the numbers that ours would have."""
    with ground(tmp_path, PRIMARY) as made:
        made.metadata.update({**SERVICE.metadata(), key(SERVICE, "owner-id"): "999999999999"})
        made.plug(SERVICE)
        made.batch(
            f"link set dev {LINK} mtu 1500 up",
            f"address add {SERVICE.address4}/20 dev {LINK} valid_lft 3600 preferred_lft 3600",
            f"address add 10.0.0.77/20 dev {LINK}",
            f"route add 10.99.0.0/16 via {SERVICE.gateway4} dev {LINK} proto dhcp",
            f"route add default via {SERVICE.gateway4} dev {LINK} table {SERVICE.table} proto static",
            f"rule add priority 32765 from {SERVICE.address4} lookup {SERVICE.table}",
        )
        yield made


def seen(node: Ground) -> object:
    link = kernel.link(node.name, LINK)
    sysctls = [kernel.sysctl(node.name, name.format(LINK)) for name in SYSCTLS]
    return node.of(SERVICE), link["mtu"], link.get("altnames"), sysctls


def test_it_is_left_to_its_owner(node: Ground) -> None:
    before = seen(node)
    for _ in range(2):
        with running(node):
            node.wait_until(lambda: node.entry(SERVICE).get("state") == "ignored", "it is ignored")
            node.wait_for(PRIMARY)
            node.wait_for_reads(SERVICE.folder, 2)
            assert seen(node) == before
    assert node.status()["state"] == "ok"


def test_it_is_left_to_its_owner_while_it_may_be_the_nodes_own(node: Ground) -> None:
    before = seen(node)
    node.metadata.fault(key(PRIMARY, "owner-id"), Fault(status=503))
    with running(node):
        node.wait_until(lambda: "owner-id" in (node.entry(SERVICE).get("reason") or ""), "it says what it waits for")
        node.wait_for_reads(SERVICE.folder, 6)
        assert (node.entry(SERVICE)["state"], seen(node)) == ("metadata-pending", before)
        assert not set(SERVICE.delegated4) & node.ranges()
        node.metadata.heal()
        node.wait_until(lambda: node.entry(SERVICE).get("state") == "ignored", "it is ignored")
        node.wait_for(PRIMARY)
        assert seen(node) == before


def test_what_it_leaves_behind_is_its_owners(node: Ground) -> None:
    rule = f"4 32765: from {SERVICE.address4}/32 table {SERVICE.table} proto 0"
    with running(node):
        node.wait_until(lambda: node.entry(SERVICE).get("state") == "ignored", "it is ignored")
        node.detach(SERVICE)
        node.wait_until(lambda: node.entry(SERVICE).get("state") in {None, "gone"}, "it is gone")
        assert rule in kernel.rules(node.name)
