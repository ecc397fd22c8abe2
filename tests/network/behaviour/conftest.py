"""One node with its daemon serves all tests of a module: each brings ENIs of its own and takes them away again."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from network.behaviour.card import Card
from network.behaviour.foreign import Foreign
from network.behaviour.ground import Daemon, Ground, ground, running

PRIMARY = Card(0, prefixes4=1)
STEADY = Card(1, prefixes4=1)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with ground(tmp_path_factory.mktemp("node"), PRIMARY, STEADY) as made:
        yield made


@pytest.fixture(scope="module")
def foreign(node: Ground) -> Foreign:
    """What others have on the node, before the daemon comes."""
    return Foreign(node)


@pytest.fixture(scope="module")
def departed() -> list[Card]:
    """ENIs that were detached; each goes a second or two later."""
    return []


@pytest.fixture(scope="module")
def resident(node: Ground, foreign: Foreign, departed: list[Card]) -> Iterator[Daemon]:
    """The daemon; in the end nothing is left of any ENI that a test detached, and others' objects are as they were."""
    foreign.make()
    with running(node) as daemon:
        node.wait_for(PRIMARY)
        node.wait_for(STEADY)
        yield daemon
        assert daemon.running
        for card in departed:
            node.wait_until_gone(card)
        foreign.assert_untouched()


@pytest.fixture(scope="module")
def numbers() -> Iterator[int]:
    """Device numbers that no test of the module has had."""
    return itertools.count(2)


@pytest.fixture
def attached(
    node: Ground, resident: Daemon, foreign: Foreign, numbers: Iterator[int], departed: list[Card]
) -> Iterator[Callable[..., Card]]:
    """Attach ENIs that are ready; afterwards they are detached, and what others have is as it was."""
    cards: list[Card] = []

    def attach(**shape: Any) -> Card:
        card = Card(next(numbers), **shape)
        cards.append(card)
        node.attach(card)
        node.wait_for(card)
        return card

    yield attach
    assert resident.running
    node.metadata.heal()
    for card in cards:
        node.detach(card)
    departed += cards
    foreign.assert_untouched()


@pytest.fixture
def card(attached: Callable[..., Card]) -> Card:
    """Give one ENI of the usual shape, ready."""
    return attached(prefixes4=2, prefixes6=1)


@pytest.fixture
def late(node: Ground, resident: Daemon, numbers: Iterator[int], departed: list[Card]) -> Iterator[Card]:
    """Give an ENI that a test attaches itself, in its own way."""
    card = Card(next(numbers), prefixes4=1, prefixes6=1)
    yield card
    assert resident.running
    node.metadata.heal()
    node.detach(card)
    departed.append(card)
