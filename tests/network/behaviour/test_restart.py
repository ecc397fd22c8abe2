"""The daemon may end and come back at any moment, and nobody notices."""

from pathlib import Path

import pytest
from network.behaviour import kernel
from network.behaviour.card import Card
from network.behaviour.ground import PROTOCOL, Daemon, ground, running
from network.behaviour.news import Event

from world.metadata import Fault

pytestmark = pytest.mark.netns

CARDS = (Card(0, prefixes4=1), *(Card(number, prefixes4=4, prefixes6=1) for number in range(1, 6)))


def test_a_restart_writes_nothing(tmp_path: Path) -> None:
    with ground(tmp_path, *CARDS) as node:
        with running(node):
            for card in CARDS:
                node.wait_for(card)
                # What the kernel does not need is read afterwards.
                node.wait_until(lambda card=card: node.entry(card)["subnetId"], "its details are read")
        node.news.settle()
        generation = node.snapshot()["generation"]
        with running(node) as daemon:
            daemon.kick()
            node.wait_for_reads(CARDS[-1].folder, 20)
            assert [str(event) for event in node.news.take() if event.writer] == []
            assert node.snapshot()["generation"] == generation


@pytest.mark.parametrize("path", ["", "meta-data/mac", "meta-data/network"])
def test_a_start_without_imds_takes_nothing_away(tmp_path: Path, path: str) -> None:
    with ground(tmp_path, *CARDS) as node:
        with running(node):
            for card in CARDS:
                node.wait_for(card)
        node.metadata.fault(path, Fault(status=503))
        node.news.settle()
        ranges = node.ranges()
        with running(node):
            node.wait_for_reads(path, 4)
            assert [str(event) for event in node.news.take() if event.removes] == []
            assert node.ranges() == ranges
            for card in CARDS:
                node.assert_complete(card)
            node.metadata.heal()
            for card in CARDS:
                node.wait_for(card)


@pytest.mark.parametrize("kind", ["NEWADDR", "NEWROUTE", "NEWRULE"])
def test_an_end_in_the_middle_of_its_work_is_made_good(tmp_path: Path, kind: str) -> None:
    """It is killed as soon as the kernel tells of its first address, route or rule, on a bare node."""
    with ground(tmp_path, *CARDS) as node:
        daemon = Daemon(node)
        node.wait_until(lambda: kind in names(daemon.wrote(node.news.take())), f"its first {kind}")
        daemon.kill()
        # The kernel may have been told all of it by then: what comes last is taken away, as if it had not been.
        made = [line for card in CARDS for line in node.of(card)["rules"]]
        node.batch(*(kernel.command("del", line) for line in made[len(made) // 2 :]))
        with running(node):
            for card in CARDS:
                node.wait_for(card)


def test_it_lives_and_stops_while_a_slow_imds_is_read(tmp_path: Path) -> None:
    """Many ENIs take long to read: the service manager must not wait for all of them."""
    with ground(tmp_path, *CARDS) as node:
        for number in range(10, 60):
            node.metadata.update(Card(number).metadata())
        node.metadata.fault("meta-data/network", Fault(delay=0.05))
        with running(node) as daemon:
            asked = len(node.metadata.requests)
            assert daemon.stop() == 0
            assert asked < 50 * 17, "it was read too soon to show anything"


@pytest.mark.parametrize("path", [None, ""], ids=["IMDS answers", "IMDS is away"])
def test_what_drains_is_not_offered_again(tmp_path: Path, path: str | None) -> None:
    leaving = CARDS[-1]
    with ground(tmp_path, *CARDS) as node:
        with running(node) as daemon:
            for card in CARDS:
                node.wait_for(card)
            node.metadata.remove(leaving.folder)
            daemon.kick()
            node.wait_until(lambda: node.entry(leaving)["state"] == "draining", "it drains")
            node.wait_until(lambda: not set(leaving.delegated) & node.ranges(), "it is offered no more")
        if path is not None:
            node.metadata.fault(path, Fault(status=503))
        generation = node.snapshot()["generation"]
        with running(node):
            node.wait_for_reads("meta-data" if path is None else "api", 4)
            assert not set(leaving.delegated) & node.ranges()
            assert (node.entry(leaving)["state"], node.snapshot()["generation"]) == ("draining", generation)


def names(events: list[Event]) -> set[str]:
    return {event.name.removeprefix("RTM_") for event in events}


def test_what_is_left_of_an_eni_that_went_meanwhile_is_removed(tmp_path: Path) -> None:
    with ground(tmp_path, *CARDS) as node:
        with running(node):
            for card in CARDS:
                node.wait_for(card)
        gone = CARDS[-1]
        node.detach(gone)
        assert node.of(gone)["rules"]
        node.batch("rule add priority 1536 from 192.0.2.9 lookup 77", "route add 192.0.2.9/32 dev lo proto 99")
        with running(node):
            node.wait_until_gone(gone)
            for card in CARDS[:-1]:
                node.assert_complete(card)
            assert "4 1536: from 192.0.2.9/32 table 77 proto 0" in kernel.rules(node.name)
            assert f"proto {PROTOCOL}" not in " ".join(line for line in kernel.routes(node.name) if "192.0.2.9" in line)
