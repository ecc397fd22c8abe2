"""Whatever is done to what the daemon made is put right; what is not its own stays as others made it."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from network.behaviour import kernel
from network.behaviour.card import FALLBACK, GATEWAY6, MAIN, Card
from network.behaviour.conftest import STEADY
from network.behaviour.ground import PROTOCOL, Daemon, Ground, ground, running

pytestmark = pytest.mark.netns

FOR_EVER = 0xFFFFFFFF
Damage = Callable[[Card, str], Sequence[str]]
DAMAGE: dict[str, Damage] = {
    "the rule of its address is deleted": lambda card, _: [
        f"rule del priority 32765 from {card.address4}",
        f"rule del priority 32765 from {card.address6}",
    ],
    "the rules of its prefixes are deleted": lambda card, _: [
        *(f"rule del priority 512 to {each}" for each in card.delegated),
        *(f"rule del priority 1536 from {each}" for each in card.delegated),
    ],
    "a rule leads to another table": lambda card, _: [
        f"rule add priority 1536 from {card.delegated[0]} lookup 1999 protocol kernel",
        f"rule del priority 1536 from {card.delegated[0]} lookup {card.table}",
    ],
    "a rule has another protocol": lambda card, _: [
        f"rule add priority 32765 from {card.address4} lookup {card.table} protocol static",
        f"rule del priority 32765 from {card.address4} lookup {card.table} protocol kernel",
    ],
    "rules stand beside its own that lead elsewhere": lambda card, _: [
        f"rule add priority 32765 from {card.address4} lookup 1999 protocol kernel",
        f"rule add priority 512 to {card.delegated[0]} lookup {card.table} protocol kernel",
        f"rule add priority 1536 from {card.delegated6[0]} lookup main protocol kernel",
    ],
    "its table is flushed": lambda card, _: [
        f"route flush table {card.table}",
        f"-6 route flush table {card.table}",
    ],
    "its default route is deleted": lambda card, _: [
        f"route del default via {card.gateway4} table {card.table}",
        f"-6 route del default via {GATEWAY6} table {card.table}",
    ],
    "its default route leads elsewhere": lambda card, name: [
        f"route replace default dev {name} table {card.table} proto {PROTOCOL}",
        f"-6 route replace default dev lo table {card.table} proto {PROTOCOL}",
    ],
    "the last resort is deleted": lambda card, _: [
        f"route del {FALLBACK} table {card.table}",
        f"-6 route del {FALLBACK} table {card.table}",
    ],
    "what catches a prefix's unused addresses is deleted": lambda card, _: [
        f"route del unreachable {each} table {MAIN}" for each in card.delegated
    ],
    "its IPv4 address is deleted": lambda card, name: [f"address del {card.address4}/32 dev {name}"],
    "its IPv6 address is deleted": lambda card, name: [f"address del {card.address6}/128 dev {name}"],
    "its addresses are flushed": lambda _, name: [f"address flush dev {name} scope global"],
    "the link goes down": lambda _, name: [f"link set dev {name} down"],
    "the link goes down and up": lambda _, name: [f"link set dev {name} down", f"link set dev {name} up"],
    "the MTU goes below what IPv6 needs": lambda _, name: [f"link set dev {name} mtu 1200"],
    "the MTU goes below what IPv6 needs, and back": lambda _, name: [
        f"link set dev {name} mtu 1200",
        f"link set dev {name} mtu 9001",
    ],
    "its names are taken away": lambda card, name: [
        f"link property del dev {name} altname {altname}" for altname in sorted(card.altnames)
    ],
    "DHCP brings an address of its subnet and a way out": lambda card, name: [
        f"address add {card.address4}/20 dev {name} valid_lft 3600 preferred_lft 3600",
        f"address add 10.{card.place}.0.200/20 dev {name} valid_lft 3600 preferred_lft 3600",
        f"route add default via {card.gateway4} dev {name} proto dhcp metric 2048",
    ],
    "all of it at once": lambda card, name: [
        f"rule del priority 32765 from {card.address4}",
        f"rule add priority 32765 from {card.address4} lookup 1999",
        f"rule del priority 512 to {card.delegated[0]}",
        f"route flush table {card.table}",
        f"link set dev {name} down",
    ],
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_damage_is_repaired(node: Ground, resident: Daemon, card: Card, damage: Damage) -> None:
    name = f"eth{card.place}"
    with resident.paused():
        node.batch(*damage(card, name))
    node.wait_until_complete(card)
    link = kernel.link(node.name, name)
    assert link["mtu"] == 9001
    assert "UP" in link["flags"]
    assert card.altnames <= set(link["altnames"])
    node.assert_complete(STEADY)


@pytest.mark.usefixtures("resident")
def test_an_address_that_a_lease_would_end_is_made_to_last(node: Ground, card: Card) -> None:
    """DHCP gives an address that is there already a lifetime, after which the kernel would take it away."""
    lease = f"dev eth{card.place} valid_lft 3600 preferred_lft 3600"
    node.batch(f"address change {card.address4}/32 {lease}", f"-6 address change {card.address6}/128 {lease}")
    node.wait_until(lambda: lifetimes(node, card) == {FOR_EVER}, f"they last: {lifetimes(node, card)}")
    node.assert_complete(card)


def lifetimes(node: Ground, card: Card) -> set[int]:
    (link,) = (found for found in kernel.ip(node.name, "address", "show", "dev", f"eth{card.place}") if found)
    return {each["valid_life_time"] for each in link["addr_info"] if each["scope"] == "0"}


@pytest.mark.usefixtures("resident")
def test_a_renamed_link_is_the_same_eni(node: Ground, card: Card) -> None:
    old, new = f"eth{card.place}", f"ens{card.place}.5"
    node.news.take()
    node.batch(f"link set dev {old} name {new}")
    try:
        node.wait_until(lambda: node.entry(card).get("ifname") == new, "the new name is published")
        node.assert_complete(card, new)
        # Others may be leaving at the same time.
        own = (f"'10.{card.place}.", f"'2001:db8:1:{0x100 + card.place:x}:", f"'table': {card.table},")
        removed = [str(event) for event in node.news.take() if event.removes]
        assert [event for event in removed if any(mark in event for mark in own)] == []
        # The reconcile of sysctls goes by the new name, whose dot is no separator.
        kernel.write_sysctl(node.name, f"net/ipv4/conf/{new}/rp_filter", "1")
        node.wait_until(lambda: kernel.sysctl(node.name, f"net/ipv4/conf/{new}/rp_filter") == "2", "it is put right")
    finally:
        node.batch(f"link set dev {new} name {old}")


@pytest.mark.usefixtures("resident")
def test_an_address_that_a_stranger_adds_is_left(node: Ground, card: Card) -> None:
    node.batch(f"address add 203.0.113.9/32 dev eth{card.place}", f"rule del priority 32765 from {card.address4}")
    node.wait_until(lambda: card.rules() <= set(kernel.rules(node.name)), "the rule is back")
    assert "203.0.113.9/32" in kernel.addresses(node.name, f"eth{card.place}")


@pytest.mark.usefixtures("resident")
def test_a_pods_address_on_the_link_is_taken_away(node: Ground, card: Card) -> None:
    """Table local would catch what is sent to the pod."""
    pod = card.delegated[0].replace(".0/28", ".5/32")
    node.batch(f"address add {pod} dev eth{card.place}")
    node.wait_until_complete(card)


def test_more_changes_than_the_socket_holds_are_not_lost(node: Ground, resident: Daemon, card: Card) -> None:
    noise = [f"route {verb} 198.18.0.{number}/32 dev lo" for number in range(250) for verb in ("add", "del")]
    with resident.paused():
        node.batch(*noise * 8, f"rule del priority 32765 from {card.address4}", f"route flush table {card.table}")
    node.wait_until_complete(card)


def test_a_fight_is_noticed_and_nobody_else_suffers(tmp_path: Path) -> None:
    fought, other = Card(2, prefixes4=1), Card(3, prefixes4=1)
    rule = f"4 32765: from {fought.address4}/32 table {fought.table} proto 2"
    with ground(tmp_path, Card(0), fought, other) as node, running(node):
        node.wait_for(fought)
        node.wait_for(other)

        def strike() -> bool:
            if rule in kernel.rules(node.name):
                node.batch(kernel.command("del", rule))
            return "fighting" in (node.entry(fought)["reason"] or "")

        node.wait_until(strike, "the fight is noticed")
        assert node.entry(fought)["state"] == "degraded"
        assert fought.address4 in node.entry(fought)["reason"]
        node.batch(f"rule del priority 32765 from {other.address4}")
        node.wait_until_complete(other)
        # Whoever fought has given up, and the next repair lasts.
        node.wait_until_complete(fought)
