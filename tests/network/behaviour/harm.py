"""What somebody may do to what is there of an ENI, for tests that draw it at random."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import strategies as st
from network.behaviour import kernel
from network.behaviour.card import Card
from network.behaviour.ground import PROTOCOL, Ground

# What every ENI has; a secondary has autoconf as well.
SYSCTLS = {"ipv4/conf/{}/rp_filter": "2", "ipv6/conf/{}/accept_dad": "0", "ipv6/conf/{}/accept_ra": "0"}
# Where routes of somebody lead that stand in an ENI's table, and stay there.
STRANGE = "100.64"


@dataclass(frozen=True)
class Harm:
    """Something that somebody does to what is there of one ENI: which of its objects, and what."""

    kind: str
    which: int


# What may happen to the primary as well: its link, addresses and way out are systemd-networkd's to keep.
OF_ANY = ["rule gone", "rule elsewhere", "rule beside", "rule of another", "route gone", "route of another",
          "route beside", "route of a stranger", "sysctl", "names"]  # fmt: skip
OF_SECONDARIES = ["table flushed", "address gone", "addresses flushed", "down", "flap", "mtu"]
HARMS = st.builds(Harm, st.sampled_from([*OF_ANY, *OF_SECONDARIES]), st.integers(0, 63))


def do(node: Ground, cards: Sequence[Card], harm: Harm) -> list[str]:
    """Do the harm to one of the ENIs, the first being the primary, and return what was done."""
    victims = cards if harm.kind in OF_ANY else cards[1:]
    if not victims:
        return []
    victim = victims[harm.which % len(victims)]
    if harm.kind == "sysctl":
        return _spoil(node, victim, harm.which)
    done = [*_commands(node, victim, harm)]
    node.batch(*done)
    return done


def strangers(node: Ground) -> list[str]:
    return [line for line in kernel.routes(node.name) if STRANGE in line]


def sysctls(node: Ground, card: Card) -> dict[str, str]:
    """Return those sysctls of an ENI's link that it is to have, as they are."""
    return {key: kernel.sysctl(node.name, f"net/{key.format(f'eth{card.place}')}") for key in SYSCTLS}


def _spoil(node: Ground, card: Card, which: int) -> list[str]:
    key = [*SYSCTLS][which % len(SYSCTLS)].format(f"eth{card.place}")
    try:
        kernel.write_sysctl(node.name, f"net/{key}", "1")
    except FileNotFoundError:  # with an MTU below 1280 a link has no IPv6
        return []
    return [key]


def _commands(node: Ground, card: Card, harm: Harm) -> Sequence[str]:
    """Return what does the harm to what is there now; nothing where there is nothing to harm."""
    name, there = f"eth{card.place}", node.of(card)
    altnames: list[str] = kernel.link(node.name, name).get("altnames", [])
    whole = {
        "route of a stranger": [f"route replace blackhole {STRANGE}.{harm.which}.0/24 table {card.table} proto static"],
        "table flushed": [f"route flush table {card.table}", f"-6 route flush table {card.table}"],
        "addresses flushed": [f"address flush dev {name} scope global"],
        "down": [f"link set dev {name} down"],
        "flap": [f"link set dev {name} down", f"link set dev {name} up"],
        "mtu": [f"link set dev {name} mtu {600 + 16 * harm.which}"],
        "names": [f"link property del dev {name} altname {altname}" for altname in altnames],
    }
    if harm.kind in whole:
        return whole[harm.kind]
    what, _, how = harm.kind.partition(" ")
    found = there[{"rule": "rules", "route": "routes", "address": "addresses"}[what]]
    found = [line for line in found if what != "route" or line.endswith(f" proto {PROTOCOL}")]
    line = found[harm.which % len(found)] if found else None
    if line is None:
        return []
    if what == "address":
        return [f"address del {line} dev {name}"]
    return _to_rule(how, line, found) if what == "rule" else _to_route(how, line)


def _to_rule(how: str, line: str, there: Sequence[str]) -> Sequence[str]:
    head, _, protocol = line.partition(" proto ")
    other = f"{head} proto 4" if how == "of another" else f"{head.rpartition(' ')[0]} 1999 proto {protocol}"
    added = [kernel.command("add", other)] if how != "gone" and other not in there else []
    return added if how == "beside" else [*added, kernel.command("del", line)]


def _to_route(how: str, line: str) -> Sequence[str]:
    """Change a route of ours; one beside it has its protocol, and another metric."""
    head = line.partition(" proto ")[0]
    place, _, metric = head.partition(" metric ")
    added = {
        "gone": [],
        "of another": [kernel.command("add", f"{head} proto 4")],
        "beside": [kernel.command("replace", f"{place} metric {int(metric or 0) + 7} proto {PROTOCOL}")],
    }[how]
    return added if how == "beside" else [kernel.command("del", line), *added]
