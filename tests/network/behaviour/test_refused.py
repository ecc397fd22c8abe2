"""What is refused, taken or cannot be written costs what needs it, and nothing else; what is published says so."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from network.behaviour import kernel
from network.behaviour.card import Card
from network.behaviour.conftest import STEADY
from network.behaviour.ground import CONFLIST, Daemon, Ground, ground, key, running, wanted

pytestmark = pytest.mark.netns


@pytest.fixture
def taken(node: Ground, late: Card) -> Iterator[str]:
    """Give the name that the late ENI will have to another link."""
    name = f"device-number-{late.number}.0"
    node.batch("link add name taker type bridge", f"link property add dev taker altname {name}")
    yield name
    node.batch("link del dev taker")


def test_a_name_that_is_taken_costs_the_name(node: Ground, late: Card, taken: str) -> None:
    node.attach(late)
    node.wait_until(lambda: node.entry(late).get("state") == "degraded", "the name is refused")
    node.wait_until_complete(late)
    entry = node.entry(late)
    assert taken in entry["reason"]
    assert (entry["state"], entry["podRangesUsable"]) == ("degraded", True)
    node.wait_until(lambda: set(late.delegated) <= node.ranges(), "its ranges are offered")


@pytest.fixture
def without_ipv6(node: Ground, resident: Daemon) -> Iterator[None]:
    assert resident.running
    kernel.write_sysctl(node.name, "net/ipv6/conf/default/disable_ipv6", "1")
    yield
    kernel.write_sysctl(node.name, "net/ipv6/conf/default/disable_ipv6", "0")


@pytest.mark.usefixtures("without_ipv6")
def test_a_family_that_is_refused_costs_that_family(node: Ground, late: Card) -> None:
    node.attach(late)
    node.wait_until(lambda: node.entry(late).get("state") == "degraded", "IPv6 is refused")
    node.wait_until(lambda: set(late.delegated4) <= node.ranges(), "IPv4's ranges are offered")
    assert not set(late.delegated6) & node.ranges(), "IPv6's ranges are not"
    assert [rule for rule in node.of(late)["rules"] if rule.startswith("4")] == [
        rule for rule in wanted(late)["rules"] if rule.startswith("4")
    ]
    asked, seen = node.reads(key(late, "local-ipv4s")), set()

    def is_asked_again() -> bool:
        entry = node.entry(late)
        seen.add(
            (entry["state"], entry["reason"], entry["podRangesUsable"], *sorted(node.ranges() & {*late.delegated}))
        )
        return node.reads(key(late, "local-ipv4s")) >= asked + 2

    node.wait_until(is_asked_again, "it is tried again and again")
    assert len(seen) == 1, "what is published stays"
    kernel.write_sysctl(node.name, f"net/ipv6/conf/eth{late.place}/disable_ipv6", "0")
    node.wait_for(late)
    assert set(late.delegated) <= node.ranges()


def test_a_device_number_that_was_wrong_frees_its_name(tmp_path: Path) -> None:
    first, second = Card(1, prefixes4=1, ipv6=False), Card(2, prefixes4=1, ipv6=False)
    with ground(tmp_path, Card(0)) as node:
        node.metadata.update({**first.metadata(), key(first, "device-number"): str(second.number)})
        node.plug(first)
        with running(node):
            node.wait_until(lambda: node.entry(first).get("state") == "ready", "it has the wrong number")
        node.metadata.update(first.metadata())
        with running(node):
            node.wait_until(lambda: node.entry(first)["table"] == first.table, "it has its own")
            node.wait_for(first)
            assert set(kernel.link(node.name, "eth1")["altnames"]) == first.altnames
            node.attach(second)
            node.wait_for(second)
            assert set(kernel.link(node.name, "eth2")["altnames"]) == second.altnames


@pytest.mark.parametrize("path", [CONFLIST.parents[1], Path("run/node-agent")], ids=["CNI", "run"])
def test_a_file_that_cannot_be_written_holds_up_no_eni(tmp_path: Path, path: Path) -> None:
    primary, other = Card(0, prefixes4=1), Card(1, prefixes4=1)
    folder = tmp_path / path
    with ground(tmp_path, primary) as node, running(node) as daemon:
        node.wait_for(primary)
        shutil.rmtree(folder)
        folder.write_text("")
        node.attach(other)
        node.wait_until_complete(other)
        daemon.wait_for_notice("cannot write")
        assert daemon.running
        folder.unlink()
        node.wait_for(other)
        node.wait_until(lambda: set(other.delegated4) <= node.ranges(), "its range is offered")
        node.wait_until(lambda: node.status()["state"] == "ok", "the status is well again")


def test_one_for_efa_only_without_a_link_is_no_trouble(tmp_path: Path) -> None:
    primary, efa = Card(0, ipv6=False), Card(1, network_card=1, ipv4=False, ipv6=False)
    with ground(tmp_path, primary) as node:
        node.metadata.update({**efa.metadata(), key(efa, "subnet-ipv4-cidr-block"): str(efa.subnet4)})
        with running(node):
            node.wait_until(lambda: node.entry(efa).get("state") == "ignored", "it is ignored")
            node.wait_until(lambda: node.ranges() == {"198.18.64.0/20"}, "pods get node-local addresses")
            assert "no prefix is delegated" in node.status()["message"]


def test_what_is_told_does_not_flap_while_somebody_fights(tmp_path: Path) -> None:
    fought = Card(2, prefixes4=1)
    rule = f"4 32765: from {fought.address4}/32 table {fought.table} proto 2"
    with ground(tmp_path, Card(0), STEADY, fought) as node, running(node):
        node.wait_for(fought)

        def strike() -> bool:
            if rule in kernel.rules(node.name):
                node.batch(kernel.command("del", rule))
            return "fighting" in (node.entry(fought)["reason"] or "")

        node.wait_until(strike, "the fight is noticed")
        seen = set()

        def is_repaired() -> bool:
            seen.update((card, node.entry(card)["state"], node.entry(card)["reason"]) for card in (fought, STEADY))
            return rule in kernel.rules(node.name)

        node.wait_until(is_repaired, "it is repaired")
        node.news.take()
        strike()
        node.batch(f"rule del priority 32765 from {STEADY.address4}")
        node.wait_until_complete(STEADY)
        node.wait_until(is_repaired, "it is repaired again")
        added = [str(event) for event in node.news.take() if event.name == "RTM_NEWRULE"]
        order = [card for event in added for card in (fought, STEADY) if f"'{card.address4}'" in event]
        assert order[0] == STEADY, "nobody else waits for a fight"
        assert len(seen) == len({fought, STEADY}), "what is published stays"
