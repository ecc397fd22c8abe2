"""Any tree of ENIs and any damage: one pass makes it right, a second writes nothing, and what is others' stays.

Each example takes a real kernel through dozens of changes; `make vm-test` asks for many more of them by EXAMPLES.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st
from network.behaviour import kernel
from network.behaviour.card import Card
from network.behaviour.foreign import Foreign
from network.behaviour.ground import Ground, ground

pytestmark = pytest.mark.netns

EXAMPLES = int(os.environ.get("EXAMPLES", "15"))
PRIMARIES = st.builds(Card, st.just(0), prefixes4=st.integers(0, 2), ipv6=st.just(False))
FAMILIES = st.sampled_from([{"ipv4": True, "ipv6": True}, {"ipv4": True, "ipv6": False}, {"ipv4": False, "ipv6": True}])
SHAPES = st.fixed_dictionaries({"prefixes4": st.integers(0, 3), "prefixes6": st.integers(0, 1)})


@st.composite
def secondaries(draw: st.DrawFn) -> list[Card]:
    """Draw ENIs of one or two network cards, no two of them in one place."""
    places = draw(st.lists(st.tuples(st.integers(0, 1), st.integers(1, 6)), max_size=4, unique=True))
    return [_secondary(draw, card, number) for card, number in places]


def _secondary(draw: st.DrawFn, card: int, number: int) -> Card:
    families, shape = draw(FAMILIES), draw(SHAPES)
    prefixes4 = shape["prefixes4"] if families["ipv4"] else 0
    prefixes6 = shape["prefixes6"] if families["ipv6"] else 0
    spare = draw(st.integers(0, 2)) if families["ipv4"] else 0
    return Card(number, card, **families, prefixes4=prefixes4, prefixes6=prefixes6, secondaries=spare)


@dataclass(frozen=True)
class Harm:
    """Something that somebody does to what is there of one ENI: which of its objects, and what."""

    kind: str
    which: int


HARMS = st.builds(
    Harm,
    st.sampled_from(["rule gone", "rule elsewhere", "rule beside", "rule of another", "route gone", "route of another",
                     "table flushed", "address gone", "addresses flushed", "down", "flap", "mtu", "names"]),
    st.integers(0, 63),
)  # fmt: skip


def commands(node: Ground, card: Card, harm: Harm) -> Sequence[str]:
    """Return what does the harm to what is there now; nothing where there is nothing to harm."""
    name, there = f"eth{card.place}", node.of(card)
    rules, routes, addresses = there["rules"], there["routes"], there["addresses"]
    whole = {
        "table flushed": [f"route flush table {card.table}", f"-6 route flush table {card.table}"],
        "addresses flushed": [f"address flush dev {name} scope global"],
        "down": [f"link set dev {name} down"],
        "flap": [f"link set dev {name} down", f"link set dev {name} up"],
        "mtu": [f"link set dev {name} mtu {600 + 16 * harm.which}"],
        "names": [f"link property del dev {name} altname {altname}" for altname in names(node, name)],
    }
    if harm.kind in whole:
        return whole[harm.kind]
    found = {"rule": rules, "route": routes, "address": addresses}[harm.kind.split()[0]]
    return _to_one(harm.kind, found[harm.which % len(found)], name, found) if found else []


def names(node: Ground, link: str) -> list[str]:
    found: list[str] = kernel.link(node.name, link).get("altnames", [])
    return found


def _to_one(kind: str, line: str, name: str, there: Sequence[str]) -> Sequence[str]:
    if kind == "address gone":
        return [f"address del {line} dev {name}"]
    deleted = kernel.command("del", line)
    if kind.endswith("gone"):
        return [deleted]
    other = line.rpartition(" ")[0] + " 4" if kind.endswith("another") else elsewhere(line)
    added = [kernel.command("add", other)] if other not in there else []
    return added if kind == "rule beside" else [*added, deleted] if kind.startswith("rule") else [deleted, *added]


def elsewhere(line: str) -> str:
    head, _, protocol = line.partition(" proto ")
    return f"{head.rpartition(' ')[0]} 1999 proto {protocol}"


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with ground(tmp_path_factory.mktemp("node"), Card(0)) as made:
        yield made


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # to shrink one that fails would take minutes
    suppress_health_check=[HealthCheck.too_slow],
)
@given(primary=PRIMARIES, cards=secondaries(), harms=st.lists(HARMS, max_size=6))
def test_one_pass_is_enough(bare: Ground, primary: Card, cards: list[Card], harms: list[Harm]) -> None:
    lay_out(bare, [primary, *cards])
    foreign = Foreign(bare)
    foreign.make()
    assert_one_pass_converges(bare, [primary, *cards])
    for harm in harms:
        victim = cards[harm.which % len(cards)] if cards else primary
        done = commands(bare, victim, harm) if cards or harm.kind.startswith("rule") else []
        note(f"{victim.eni_id}: {done}")
        bare.batch(*done)
    assert_one_pass_converges(bare, [primary, *cards])
    foreign.assert_untouched()


def lay_out(node: Ground, cards: list[Card]) -> None:
    """Make the node as bare as a new one, and attach the ENIs."""
    node.wipe()
    for card in cards:
        node.attach(card)
    node.lease(cards[0])


def assert_one_pass_converges(node: Ground, cards: list[Card]) -> None:
    node.once()
    for card in cards:
        node.assert_complete(card)
        link = kernel.link(node.name, f"eth{card.place}")
        assert card.altnames <= set(link["altnames"])
        assert (link["mtu"], "UP" in link["flags"]) == (9001, True)
    node.news.take()
    node.once()
    # What the kernel does by itself after a change of a link may come late, and has no writer.
    written = [event for event in node.news.take() if event.writer]
    assert [str(event) for event in written] == []
