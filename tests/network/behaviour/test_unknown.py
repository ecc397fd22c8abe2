"""Whatever IMDS does not say, or says badly, takes nothing away, and holds up nobody else."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from network.behaviour.card import MACS, Card
from network.behaviour.ground import Daemon, Ground, ground, key, running, wanted

from world.metadata import Fault

pytestmark = pytest.mark.netns

PRIMARY, STEADY = Card(0, prefixes4=1), Card(1, prefixes4=1)
READS = 3
# What is asked of one ENI, "" being all of it, and how IMDS answers instead.
OF_ONE = {
    "404 of the MAC": ("", Fault(status=404)),
    "503 of the MAC": ("", Fault(status=503)),
    "nothing below the MAC": ("", Fault(empty=True)),
    "silence of the MAC": ("", Fault(hang=True)),
    "404 of the IPv4 prefixes": ("ipv4-prefix", Fault(status=404)),
    "401 of the IPv4 prefixes": ("ipv4-prefix", Fault(status=401)),
    "503 of the IPv4 prefixes": ("ipv4-prefix", Fault(status=503)),
    "no IPv4 prefixes": ("ipv4-prefix", Fault(empty=True)),
    "404 of the IPv6 prefixes": ("ipv6-prefix", Fault(status=404)),
    "404 of the IPv4 addresses": ("local-ipv4s", Fault(status=404)),
    "no IPv4 addresses": ("local-ipv4s", Fault(empty=True)),
    "503 of the IPv6 addresses": ("ipv6s", Fault(status=503)),
}
# What is read once in ten minutes, or by a daemon that starts.
AT_A_START = {
    "503 of the device number": ("device-number", Fault(status=503)),
    "404 of the device number": ("device-number", Fault(status=404)),
    "a device number of 0": ("device-number", "0"),
    "503 of the network card": ("network-card", Fault(status=503)),
    "no network card": ("network-card", Fault(visible_after=600.0)),
    "404 of the owner": ("owner-id", Fault(status=404)),
    "silence of the owner": ("owner-id", Fault(hang=True)),
    "no subnet": ("subnet-ipv4-cidr-block", Fault(visible_after=600.0)),
    "503 of the subnet": ("subnet-ipv4-cidr-block", Fault(status=503)),
    "404 of the IPv4 prefixes": ("ipv4-prefix", Fault(status=404)),
    "silence of the MAC": ("", Fault(hang=True)),
}
CARDS = {name: Card(number, prefixes4=2, prefixes6=1) for number, name in enumerate(OF_ONE, start=2)}
STARTED = {name: Card(number, prefixes4=2, prefixes6=1) for number, name in enumerate(AT_A_START, start=2)}
OF_ALL = {
    "503": ("", Fault(status=503)),
    "silence": ("", Fault(hang=True)),
    "403 of the token": ("api/token", Fault(status=403)),
    "401": ("meta-data", Fault(status=401)),
    "404 of the listing": (MACS, Fault(status=404)),
    "an empty listing": (MACS, Fault(empty=True)),
}


@dataclass(frozen=True)
class Seen:
    """What a node was like while something was unknown, and what was taken away meanwhile."""

    removed: list[str]
    kernel: dict[Card, dict[str, list[str]]]
    entries: dict[Card, dict[str, Any]]
    ranges: set[str]
    status: dict[str, Any]


def look(node: Ground, *cards: Card) -> Seen:
    return Seen(
        [str(event) for event in node.news.take() if event.removes],
        {card: node.of(card) for card in cards},
        {card: node.entry(card) for card in cards},
        node.ranges(),
        node.status(),
    )


@pytest.fixture(scope="module")
def one_by_one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    """One node, on which each ENI but two has a trouble of its own, all at the same time."""
    with ground(tmp_path_factory.mktemp("node"), PRIMARY, STEADY, *CARDS.values()) as node, running(node) as daemon:
        for card in (PRIMARY, STEADY, *CARDS.values()):
            node.wait_for(card)
        node.news.settle()
        paths = {name: key(CARDS[name], place) for name, (place, _) in OF_ONE.items()}
        before = {name: node.reads(path) for name, path in paths.items()}
        for name, (_, fault) in OF_ONE.items():
            node.metadata.fault(paths[name], fault)
        daemon.kick()
        for name, path in paths.items():
            node.wait_for_reads(path, READS, after=before[name])
        yield look(node, STEADY, *CARDS.values())
        # Afterwards all is well again, and even that takes nothing away.
        node.metadata.heal()
        for card in CARDS.values():
            node.wait_for(card)
        assert look(node).removed == []


def test_what_one_eni_lacks_takes_nothing_away(one_by_one: Seen) -> None:
    assert one_by_one.removed == []


@pytest.mark.parametrize("name", OF_ONE)
def test_an_eni_in_trouble_stays_as_it_was(one_by_one: Seen, name: str) -> None:
    card = CARDS[name]
    assert one_by_one.kernel[card] == wanted(card)
    entry = one_by_one.entries[card]
    assert (entry["eniIPv4"], entry["prefixes4"], entry["prefixes6"]) == (
        card.address4,
        card.delegated4,
        card.delegated6,
    )


def test_the_status_says_what_imds_does_not(one_by_one: Seen) -> None:
    assert one_by_one.status["state"] == "degraded"
    for name in ("404 of the IPv4 addresses", "503 of the IPv4 prefixes", "nothing below the MAC"):
        assert CARDS[name].mac in one_by_one.status["message"]


def test_an_eni_without_trouble_is_not_held_up(one_by_one: Seen) -> None:
    assert one_by_one.kernel[STEADY] == wanted(STEADY)
    assert one_by_one.entries[STEADY]["state"] == "ready"


def test_pods_are_offered_what_they_were(one_by_one: Seen) -> None:
    offered = {*PRIMARY.delegated4, *STEADY.delegated4}
    assert offered <= one_by_one.ranges
    assert {prefix for card in CARDS.values() for prefix in card.delegated4} <= one_by_one.ranges


@pytest.fixture(scope="module")
def at_a_start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    """A daemon that starts while each ENI but two has a trouble of its own."""
    with ground(tmp_path_factory.mktemp("node"), PRIMARY, STEADY, *STARTED.values()) as node:
        with running(node):
            for card in (PRIMARY, STEADY, *STARTED.values()):
                node.wait_for(card)
        before = node.reads(MACS)
        for name, (place, trouble) in AT_A_START.items():
            path = key(STARTED[name], place)
            if isinstance(trouble, Fault):
                node.metadata.fault(path, trouble)
            else:
                node.metadata.set(path, trouble)
        node.news.settle()
        with running(node) as daemon:
            daemon.kick()
            node.wait_for_reads(MACS, READS * 5 * len(STARTED), after=before)
            for card in STARTED.values():
                node.wait_for_reads(card.folder, READS)
            yield look(node, STEADY, *STARTED.values())


def test_what_a_start_does_not_learn_takes_nothing_away(at_a_start: Seen) -> None:
    assert at_a_start.removed == []
    assert at_a_start.status["state"] == "degraded"


@pytest.mark.parametrize("name", AT_A_START)
def test_an_eni_in_trouble_at_a_start_stays_as_it_was(at_a_start: Seen, name: str) -> None:
    card = STARTED[name]
    assert at_a_start.kernel[card] == wanted(card)
    entry = at_a_start.entries[card]
    assert (entry["state"], entry["table"], entry["ownerId"]) == ("ready", card.table, "123456789012")
    assert set(card.delegated4) <= at_a_start.ranges


@pytest.fixture(scope="module")
def altogether(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Seen]]:
    """A node for each trouble with all of IMDS, all at the same time, each with a repair to make meanwhile."""
    with contextlib.ExitStack() as stack:
        nodes = {name: stack.enter_context(ground(tmp_path_factory.mktemp("node"), PRIMARY, STEADY)) for name in OF_ALL}
        daemons = {name: stack.enter_context(running(node)) for name, node in nodes.items()}
        for node in nodes.values():
            node.wait_for(PRIMARY)
            node.wait_for(STEADY)
        for node in nodes.values():
            node.news.settle()
        before = {name: nodes[name].reads(path) for name, (path, _) in OF_ALL.items()}
        for name, (path, fault) in OF_ALL.items():
            nodes[name].metadata.forget_tokens()
            nodes[name].metadata.fault(path, fault)
            daemons[name].kick()
        yield {name: in_trouble(node, OF_ALL[name][0], before[name]) for name, node in nodes.items()}


def in_trouble(node: Ground, path: str, before: int) -> Seen:
    node.wait_for_reads(path, READS, after=before)
    seen = look(node, PRIMARY, STEADY)
    node.batch(f"rule del priority 32765 from {STEADY.address4}")
    node.wait_until_complete(STEADY)
    node.metadata.heal()
    node.wait_for(STEADY)
    return seen


@pytest.mark.parametrize("name", OF_ALL)
def test_what_imds_lacks_takes_nothing_away(altogether: dict[str, Seen], name: str) -> None:
    seen = altogether[name]
    assert seen.removed == []
    assert {card: seen.kernel[card] for card in (PRIMARY, STEADY)} == {card: wanted(card) for card in (PRIMARY, STEADY)}
    assert seen.ranges == {*PRIMARY.delegated4, *STEADY.delegated4}


def test_what_is_harmed_while_imds_is_silent_is_put_right_meanwhile(tmp_path: Path) -> None:
    with ground(tmp_path, PRIMARY, STEADY) as node, running(node) as daemon:
        node.wait_for(PRIMARY)
        node.wait_for(STEADY)
        # The silence may be over just when the harm is done.
        assert any(is_repaired_meanwhile(node, daemon) for _ in range(5))


def is_repaired_meanwhile(node: Ground, daemon: Daemon) -> bool:
    """Harm a rule as soon as IMDS is silent about one of two ENIs; whether it is back before the other's turn comes."""
    before = len(node.metadata.requests)
    for card in (PRIMARY, STEADY):
        node.metadata.fault(card.folder, Fault(hang=True))
    daemon.kick()
    node.wait_until(lambda: any(each.status == 0 for each in node.metadata.requests[before:]), "it is silent")
    asked = len(node.metadata.requests)
    node.batch(f"rule del priority 32765 from {STEADY.address4}")
    node.wait_until_complete(STEADY)
    is_meanwhile = len(node.metadata.requests) == asked
    node.metadata.heal()
    node.wait_until(lambda: node.status()["state"] == "ok", "all is well", 30.0)
    return is_meanwhile


def test_imds_that_comes_late_is_waited_for(tmp_path: Path) -> None:
    with ground(tmp_path, PRIMARY, STEADY) as node:
        node.metadata.fault("", Fault(status=503))
        with running(node) as daemon:  # the unit is up, and its status says what it waits for
            assert node.status()["state"] == "waiting"
            assert not node.state.exists()
            node.metadata.heal()
            daemon.wait_for_notice("STATUS=2 network interfaces ready")
