"""An ENI that is attached is made usable as soon as its metadata says how, whatever comes late."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from network.behaviour import kernel
from network.behaviour.card import Card
from network.behaviour.conftest import STEADY
from network.behaviour.ground import Daemon, Ground, ground, key, running

from world.metadata import Fault

pytestmark = pytest.mark.netns

NEVER = Fault(visible_after=float("inf"))
SHAPES: dict[str, dict[str, Any]] = {
    "IPv4 and IPv6, without prefixes": {},
    "both prefixes": {"prefixes4": 3, "prefixes6": 1},
    "further addresses": {"secondaries": 3},
    "IPv4 only": {"ipv6": False, "prefixes4": 1},
    "IPv6 only": {"ipv4": False, "prefixes6": 1},
    "on the second network card": {"network_card": 1, "prefixes4": 1},
}
# Without these nothing can be configured, or not everything; IMDS shows them some time after the MAC.
LATE = (
    "device-number",
    "interface-id",
    "ipv4-prefix",
    "ipv6-prefix",
    "ipv6s",
    "local-ipv4s",
    "network-card",
    "subnet-id",
    "subnet-ipv4-cidr-block",
)


@pytest.mark.usefixtures("resident")
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_an_eni_of_each_shape(node: Ground, attached: Callable[..., Card], shape: dict[str, Any]) -> None:
    card = attached(**shape)
    link = kernel.link(node.name, f"eth{card.place}")
    assert (link["mtu"], "UP" in link["flags"]) == (9001, True)
    assert set(link["altnames"]) == card.altnames


def test_keys_that_come_late_are_waited_for(
    node: Ground, resident: Daemon, numbers: Iterator[int], departed: list[Card]
) -> None:
    """Each ENI lacks another key at first; none waits for another's."""
    cards = {name: Card(next(numbers), prefixes4=1, prefixes6=1) for name in LATE}
    for name, card in cards.items():
        node.metadata.fault(key(card, name), NEVER)
        node.attach(card)
    resident.kick()
    for card in cards.values():
        node.wait_for_reads(key(card, ""), 6)
    node.assert_complete(STEADY)
    for name in ("device-number", "local-ipv4s", "subnet-ipv4-cidr-block"):
        assert name.removesuffix("-number") in node.entry(cards[name])["reason"]
        assert not set(cards[name].delegated4) & node.ranges(), "pods there would leave by the primary"
    node.metadata.heal()
    resident.kick()
    for card in cards.values():
        node.wait_until_complete(card)
        node.wait_for(card)
        node.detach(card)
    departed += cards.values()


def test_a_key_that_no_eni_has_is_waited_for_and_done_without(tmp_path: Path) -> None:
    """An instance type with one network card has no key that tells which."""
    primary, card = Card(0, network_card=None), Card(1, network_card=None, prefixes4=1)
    with ground(tmp_path, primary, card) as made, running(made):
        made.wait_until(lambda: "network-card" in (made.entry(card).get("reason") or ""), "it says what it waits for")
        assert made.of(card)["rules"] == []
        made.wait_for(card)
        assert set(kernel.link(made.name, "eth1")["altnames"]) == {card.eni_id, "device-number-1"}


@pytest.mark.usefixtures("resident")
def test_a_device_number_of_zero_is_none_yet(node: Ground, late: Card) -> None:
    node.metadata.update({**late.metadata(), key(late, "device-number"): "0"})
    node.plug(late)
    node.wait_for_reads(key(late, "device-number"), 4)
    assert node.entry(late)["state"] == "metadata-pending"
    assert "device number" in node.entry(late)["reason"]
    assert [rule for rule in kernel.rules(node.name) if f" 10.{late.place}." in rule] == []
    assert "UP" in kernel.link(node.name, f"eth{late.place}")["flags"], "that it is a secondary is enough for that"
    node.metadata.set(key(late, "device-number"), str(late.number))
    node.wait_for(late)


@pytest.mark.usefixtures("resident")
def test_metadata_may_come_before_the_link(node: Ground, late: Card) -> None:
    node.metadata.update(late.metadata())
    node.wait_until(lambda: node.entry(late), "it is published")
    assert node.entry(late)["ifname"] is None
    node.plug(late)
    node.wait_for(late)


@pytest.mark.usefixtures("resident")
def test_the_link_may_come_before_the_metadata(node: Ground, late: Card) -> None:
    node.plug(late)
    node.wait_for_reads(key(STEADY, ""), 3)
    assert node.of(late)["rules"] == []
    node.metadata.update(late.metadata())
    node.wait_for(late)


@pytest.mark.usefixtures("resident")
def test_states_are_told_in_their_order_with_their_times(node: Ground, late: Card) -> None:
    node.metadata.fault(key(late, "device-number"), NEVER)
    node.attach(late)
    node.wait_until(lambda: node.entry(late).get("state") == "metadata-pending", "it waits for its number")
    node.wait_until(lambda: "device-number" in node.entry(late)["reason"], "it says what is missing")
    node.metadata.heal()
    node.wait_for(late)
    entry = node.entry(late)
    times = entry["timestamps"]
    assert entry["reason"] is None
    assert times["linkSeen"] <= times["imdsComplete"] <= times["ready"]


def test_prefixes_come_and_go_at_run_time(node: Ground, resident: Daemon, attached: Callable[..., Card]) -> None:
    card = attached()
    more = Card(card.number, prefixes4=2, prefixes6=1)
    node.metadata.update(more.metadata())
    resident.kick()
    node.wait_until_complete(more)
    node.wait_until(lambda: set(more.delegated4) <= node.ranges(), "pods are offered them")
    for name in ("ipv4-prefix", "ipv6-prefix"):
        node.metadata.remove(key(card, name))
    resident.kick()
    node.wait_until_complete(card)
    assert not set(more.delegated4) & node.ranges()


@pytest.mark.usefixtures("resident")
def test_a_bridge_with_an_enis_mac_is_not_the_eni(node: Ground, card: Card) -> None:
    node.batch(f"link add name other address {card.mac} type bridge", "link set dev other up")
    try:
        node.batch(f"rule del priority 32765 from {card.address4}")
        node.wait_until_complete(card)
        assert kernel.addresses(node.name, "other") == set()
        assert kernel.link(node.name, "other")["mtu"] == 1500
        assert "altnames" not in kernel.link(node.name, "other")
    finally:
        node.batch("link del dev other")
