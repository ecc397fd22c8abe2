"""What others read of the network: enis.json, the status, the service manager's line, the CNI configuration."""

import json
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest
from network.behaviour import kernel
from network.behaviour.card import Card
from network.behaviour.conftest import PRIMARY, STEADY
from network.behaviour.ground import CONFLIST, SETTINGS, Daemon, Ground, ground, running, wanted

pytestmark = pytest.mark.netns

TOP = {"schemaVersion", "generation", "bootId", "enis", "vpcCidrs4", "vpcCidrs6", "primaryIP", "podMode", "ipFamily"}
OF_ENI = {
    *("eniId", "mac", "ifname", "ifindex", "altnames", "networkCard", "deviceNumber", "primary", "role"),
    *("subnetId", "securityGroupIds", "ownerId", "table", "gateway4", "gateway6", "mtu", "eniIPv4", "eniIPv6"),
    *("secondaryIPv4s", "prefixes4", "prefixes6", "state", "reason", "timestamps", "podRangesUsable"),
}


@pytest.mark.usefixtures("resident")
def test_the_snapshot_has_all_that_is_documented(node: Ground, card: Card) -> None:
    snapshot = node.snapshot()
    assert set(snapshot) >= TOP
    assert snapshot["bootId"] == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert snapshot["primaryIP"] == PRIMARY.address4
    entry = node.entry(card)
    assert set(entry) >= OF_ENI
    assert {name: entry[name] for name in ("eniId", "table", "gateway4", "gateway6", "mtu", "primary")} == {
        "eniId": card.eni_id,
        "table": card.table,
        "gateway4": card.gateway4,
        "gateway6": "fe80:ec2::1",
        "mtu": 9001,
        "primary": False,
    }
    assert (entry["prefixes4"], entry["prefixes6"], entry["podRangesUsable"]) == (
        card.delegated4,
        card.delegated6,
        True,
    )
    assert node.state.stat().st_mode & 0o777 == 0o644


def test_the_generation_rises_with_each_change_and_only_then(node: Ground, resident: Daemon, card: Card) -> None:
    seen: dict[int, dict[str, Any]] = {}

    def look() -> dict[str, Any]:
        """Take note of what is published; what two snapshots of one generation say is the same."""
        snapshot = node.snapshot()
        assert seen.setdefault(snapshot["generation"], snapshot) == snapshot
        return snapshot

    before = look()["generation"]
    node.batch(f"rule add priority 32765 from {card.address4} lookup 1999")
    node.wait_until(lambda: look() and node.of(card) == wanted(card), "it is put right")
    resident.kick()
    node.wait_for_reads(f"{card.folder}/local-ipv4s", 2)
    look()
    node.metadata.set(f"{card.folder}/ipv4-prefix", card.delegated4[0])
    resident.kick()
    node.wait_until(lambda: look() and node.entry(card)["prefixes4"] == card.delegated4[:1], "the withdrawal is told")
    assert look()["generation"] > before
    unlike = [{**seen[number], "generation": number + 1} != seen[number + 1] for number in seen if number + 1 in seen]
    assert all(unlike), "each generation says something new"


def test_the_service_manager_and_the_status_say_the_same(node: Ground, resident: Daemon, card: Card) -> None:
    name = f"eth{card.place}"
    node.unplug(card)
    node.wait_until_gone(card)
    node.plug(card, name)
    node.wait_for(card)
    node.wait_until(lambda: node.status()["state"] == "ok", "all is well")
    resident.wait_for_notice(f"STATUS={node.status()['message']}")


@pytest.mark.usefixtures("resident")
def test_pods_are_offered_every_address_but_one_for_the_gateway(node: Ground, card: Card) -> None:
    node.wait_until(lambda: set(card.delegated4) <= node.ranges(), "its prefixes are offered")
    body = node.conflist()
    assert body is not None
    assert [plugin["type"] for plugin in body["plugins"]][:1] == ["ptp"]
    sets = body["plugins"][0]["ipam"]["ranges"]
    gateways4 = {each.gateway4 for each in (PRIMARY, STEADY, card)}
    for offered in (each for family in sets for each in family if ":" not in each["subnet"]):
        subnet = IPv4Network(offered["subnet"])
        gateway, first, last = (IPv4Address(offered[name]) for name in ("gateway", "rangeStart", "rangeEnd"))
        assert {gateway, first, last} <= set(subnet)
        assert str(gateway) not in gateways4
        assert int(last) - int(first) + 1 - (first <= gateway <= last) == subnet.num_addresses - 1
    assert sorted(path.name for path in (node.root / CONFLIST).parent.iterdir()) == [CONFLIST.name]


def test_no_configuration_before_a_range_is_routable(tmp_path: Path) -> None:
    """The secondary has the only prefix; until its rules lead there, pods must not be offered it."""
    bare, other = Card(0), Card(1, prefixes4=1)
    with ground(tmp_path, bare) as node:
        node.metadata.update(other.metadata())
        with running(node):
            node.wait_until(lambda: node.entry(other), "it is published")
            assert not set(other.delegated4) & node.ranges()
            node.plug(other)
            node.wait_until(lambda: set(other.delegated4) <= node.ranges(), "it is offered")
            node.assert_complete(other)


@pytest.mark.usefixtures("resident")
def test_the_files_are_whole_whenever_they_are_read(node: Ground, card: Card) -> None:
    """Each replaces the one before in one step."""
    path, seen = node.root / CONFLIST, set()
    node.metadata.set(f"{card.folder}/ipv4-prefix", card.delegated4[0])

    def changed() -> bool:
        seen.add(len(json.loads(path.read_text())["plugins"]))
        json.loads(node.state.read_text())
        return node.entry(card)["prefixes4"] == card.delegated4[:1]

    node.wait_until(changed, "the withdrawn prefix is told")
    assert seen == {2}
    assert kernel.links(node.name) >= {f"eth{card.place}"}


def test_a_bad_file_of_settings_leaves_the_mode_as_it_was(tmp_path: Path) -> None:
    primary, other = Card(0, prefixes4=1), Card(1, prefixes4=1)
    settings = tmp_path / SETTINGS
    settings.parent.mkdir(parents=True)
    settings.write_text('{"schemaVersion": 1, "podSubnetMode": true}')
    with ground(tmp_path, primary, other) as node:
        with running(node):
            node.wait_until(lambda: node.ranges() == set(other.delegated4), "the secondary's range is offered")
            settings.write_text("{")
            node.wait_until(lambda: "stays as it was" in node.status()["message"], "it is told")
            assert node.ranges() == set(other.delegated4)
        with running(node):
            node.wait_for_reads(other.folder, 2)
            assert node.ranges() == set(other.delegated4)
            assert node.entry(primary)["role"] == "node"


def test_pods_without_a_prefix_are_a_warning(tmp_path: Path) -> None:
    with ground(tmp_path, Card(0)) as node, running(node) as daemon:
        daemon.wait_for_notice("READY=1\nWATCHDOG=1\n")
        node.wait_until(node.conflist, "there is a configuration all the same")
        assert [plugin.get("ipMasq") for plugin in (node.conflist() or {})["plugins"]][:1] == [True]
        node.wait_until(lambda: "no prefix is delegated" in node.status()["message"], "it is told")
        assert node.status()["state"] == "degraded"
        assert daemon.stop() == 0
