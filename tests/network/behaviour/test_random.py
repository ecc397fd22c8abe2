"""Any tree of ENIs and any damage: one pass makes it right, a second writes nothing, and what is others' stays.

Each example takes a real kernel through dozens of changes; `make vm-test` asks for many more of them by EXAMPLES.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st
from network.behaviour import harm, kernel
from network.behaviour.card import ACCOUNT, Card
from network.behaviour.foreign import Foreign
from network.behaviour.ground import Ground, ground
from network.behaviour.harm import HARMS, Harm

pytestmark = pytest.mark.netns

EXAMPLES = int(os.environ.get("EXAMPLES", "15"))
PRIMARIES = st.one_of(
    st.builds(Card, st.just(0), prefixes4=st.integers(0, 2), ipv6=st.just(False)),
    st.builds(Card, st.just(0), prefixes4=st.integers(0, 2), prefixes6=st.integers(0, 1)),
)
BOTH, IPV4, IPV6 = {"ipv4": True, "ipv6": True}, {"ipv4": True, "ipv6": False}, {"ipv4": False, "ipv6": True}
FAMILIES = st.sampled_from([BOTH, IPV4, IPV6, {"ipv4": False, "ipv6": False}])  # the last is for EFA only
OWNERS = st.sampled_from([ACCOUNT] * 5 + ["amazon-aws"])
SHAPES = st.fixed_dictionaries({"prefixes4": st.integers(0, 3), "prefixes6": st.integers(0, 1)})


@st.composite
def trees(draw: st.DrawFn) -> list[Card]:
    """Draw a primary and ENIs of one or two network cards, no two of them in one place.

    Of most instance types, which have one card, IMDS tells no card at all.
    """
    places = draw(st.lists(st.tuples(st.integers(0, 1), st.integers(1, 6)), max_size=4, unique=True))
    cards = [draw(PRIMARIES), *(_secondary(draw, card, number) for card, number in places)]
    if any(card for card, _ in places) or draw(st.booleans()):
        return cards
    return [replace(card, network_card=None) for card in cards]


def _secondary(draw: st.DrawFn, card: int, number: int) -> Card:
    families, shape = draw(FAMILIES), draw(SHAPES)
    prefixes4 = shape["prefixes4"] if families["ipv4"] else 0
    prefixes6 = shape["prefixes6"] if families["ipv6"] else 0
    spare = draw(st.integers(0, 2)) if families["ipv4"] else 0
    shape = {"prefixes4": prefixes4, "prefixes6": prefixes6, "secondaries": spare}
    return Card(number, card, **families, **shape, owner=draw(OWNERS))


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
@given(cards=trees(), harms=st.lists(HARMS, max_size=6))
def test_one_pass_is_enough(bare: Ground, cards: list[Card], harms: list[Harm]) -> None:
    lay_out(bare, cards)
    foreign = Foreign(bare)
    foreign.make()
    assert_one_pass_converges(bare, cards)
    for each in harms:
        note(f"{each.kind}: {harm.do(bare, cards, each)}")
    strangers = harm.strangers(bare)
    assert_one_pass_converges(bare, cards, strangers)
    foreign.assert_untouched()


def lay_out(node: Ground, cards: list[Card]) -> None:
    """Make the node as bare as a new one, and attach the ENIs."""
    node.wipe()
    for card in cards:
        node.attach(card)
    node.lease(cards[0])


def assert_one_pass_converges(node: Ground, cards: list[Card], strangers: Sequence[str] = ()) -> None:
    node.once()
    assert harm.strangers(node) == [*strangers]
    for card in cards:
        node.assert_complete(card, besides=strangers)
        link = kernel.link(node.name, f"eth{card.place}")
        assert "UP" in link["flags"]
        if card.is_used:
            assert card.altnames <= set(link["altnames"])
            assert link["mtu"] == 9001
            assert harm.sysctls(node, card) == harm.SYSCTLS
    node.news.take()
    node.once()
    # What the kernel does by itself after a change of a link may come late, and has no writer.
    written = [event for event in node.news.take() if event.writer]
    assert [str(event) for event in written] == []
