"""The primary is systemd-networkd's: the daemon verifies it, adds what pods need, and may be dead without harm."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from network.behaviour import kernel
from network.behaviour.beyond import call, routed
from network.behaviour.card import MAIN, Card
from network.behaviour.conftest import PRIMARY, STEADY
from network.behaviour.ground import SETTINGS, Ground, ground, running

pytestmark = pytest.mark.netns

ETH0 = f"eth{PRIMARY.place}"
PER_ENI = {"ipv4/conf/{}/rp_filter": "2", "ipv6/conf/{}/accept_dad": "0"}
PER_SECONDARY = {"ipv6/conf/{}/accept_ra": "0", "ipv6/conf/{}/autoconf": "0"}
OF_NODE = {"ipv4/ip_forward": "1", "ipv6/conf/all/forwarding": "1", "ipv4/conf/lo/rp_filter": "2"}


@pytest.mark.usefixtures("resident")
def test_only_names_and_what_pods_need_are_added(node: Ground) -> None:
    node.assert_complete(PRIMARY)
    link = kernel.link(node.name, ETH0)
    assert set(link["altnames"]) == PRIMARY.altnames
    assert [rule for rule in kernel.rules(node.name) if f"from {PRIMARY.address4}" in rule] == []


@pytest.mark.usefixtures("resident")
def test_marked_packets_leave_by_the_primary(node: Ground) -> None:
    assert f"4 1024: fwmark 0x80/0x80 table {MAIN} proto 2" in kernel.rules(node.name)


@pytest.mark.usefixtures("resident")
def test_what_networkd_owns_is_reported_and_left(node: Ground) -> None:
    default = f"route del default via {PRIMARY.gateway4} dev {ETH0}"
    node.batch(default)
    try:
        node.wait_until(lambda: node.entry(PRIMARY)["state"] == "degraded", "the missing default route is noticed")
        assert "default route" in node.entry(PRIMARY)["reason"]
        assert [route for route in kernel.routes(node.name) if f"4 table {MAIN} default" in route] == []
    finally:
        node.batch(f"route add default via {PRIMARY.gateway4} dev {ETH0} proto dhcp metric 1024")
    node.wait_for(PRIMARY)


def test_the_nodes_network_does_not_need_the_daemon(tmp_path: Path) -> None:
    """All that it made is the kernel's: once it is dead, each interface still answers by its own port."""
    with ground(tmp_path, PRIMARY, STEADY) as node, routed(node, PRIMARY, STEADY):
        with running(node) as daemon:
            node.wait_for(PRIMARY)
            node.wait_for(STEADY)
            daemon.kill()
        for card in (PRIMARY, STEADY):
            for source in (card.address4, card.address6):
                assert call(node, source) == f"far-{card.place} {source}"


@pytest.mark.usefixtures("resident")
def test_sysctls_are_set_and_kept(node: Ground, card: Card) -> None:
    name = f"eth{card.place}"
    expected = {
        **{key.format(link): value for key, value in PER_ENI.items() for link in (ETH0, name)},
        **{key.format(name): value for key, value in PER_SECONDARY.items()},
        **OF_NODE,
    }
    assert sysctls(node, expected) == expected
    for key, value in expected.items():
        kernel.write_sysctl(node.name, f"net/{key}", "1" if value == "0" else "0")
    node.wait_until(lambda: sysctls(node, expected) == expected, f"they are put right: {sysctls(node, expected)}", 10.0)
    assert kernel.sysctl(node.name, "net/ipv4/conf/veth1/rp_filter") == "0", "other links are not touched"


@pytest.mark.usefixtures("resident")
def test_sysctls_that_a_namespace_does_not_have_are_done_without(node: Ground) -> None:
    """Only the first namespace has the thresholds of its neighbour tables."""
    node.wait_for(PRIMARY)
    with pytest.raises(FileNotFoundError):
        kernel.sysctl(node.name, "net/ipv4/neigh/default/gc_thresh3")


THRESHOLDS = {"gc_thresh1": "0", "gc_thresh2": "15360", "gc_thresh3": "16384"}
IN_PLACE_OF_NEIGHBOURS = """
for family in ipv4 ipv6; do mount --bind "$0/$family" /proc/sys/net/$family/neigh; done
exec "$@"
"""


def test_thresholds_of_neighbour_tables_are_set_and_kept(tmp_path: Path) -> None:
    """They are files that stand in the place of those that only the first namespace has."""
    tables = [tmp_path / "neigh" / family / "default" for family in ("ipv4", "ipv6")]
    for table in tables:
        table.mkdir(parents=True)
        for name in THRESHOLDS:
            (table / name).write_text("128\n")

    def found() -> list[dict[str, str]]:
        return [{name: (table / name).read_text().strip() for name in THRESHOLDS} for table in tables]

    before = ["unshare", "--mount", "sh", "-euc", IN_PLACE_OF_NEIGHBOURS, str(tmp_path / "neigh")]
    with ground(tmp_path, PRIMARY) as node, running(node, before):
        node.wait_until(lambda: found() == [THRESHOLDS] * 2, "they are set")
        (tables[1] / "gc_thresh3").write_text("1024\n")
        node.wait_until(lambda: found() == [THRESHOLDS] * 2, "they are put right", 10.0)


def sysctls(node: Ground, keys: dict[str, str]) -> dict[str, str]:
    return {key: kernel.sysctl(node.name, f"net/{key}") for key in keys}


@pytest.fixture
def pod_subnet(tmp_path: Path) -> Iterator[Ground]:
    """A node whose pods live in subnets of their own."""
    settings = tmp_path / SETTINGS
    settings.parent.mkdir(parents=True)
    settings.write_text('{"schemaVersion": 1, "podSubnetMode": true}')
    with ground(tmp_path, PRIMARY, STEADY) as made, running(made):
        yield made


def test_in_pod_subnet_mode_the_primary_offers_nothing(pod_subnet: Ground) -> None:
    pod_subnet.wait_until(lambda: pod_subnet.entry(STEADY).get("state") == "ready", "the secondary is ready")
    pod_subnet.wait_until(pod_subnet.ranges, "pods are offered something")
    assert pod_subnet.ranges() == set(STEADY.delegated4)
    assert pod_subnet.entry(PRIMARY)["role"] == "node"
    assert pod_subnet.entry(STEADY)["role"] == "pod"
    pod_subnet.assert_complete(STEADY)
