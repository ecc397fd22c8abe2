"""An ENI that goes leaves nothing behind, at whatever moment, and whatever IMDS still says of it."""

from collections.abc import Callable, Iterator

import pytest
from network.behaviour import kernel
from network.behaviour.card import Card
from network.behaviour.conftest import STEADY
from network.behaviour.foreign import Foreign
from network.behaviour.ground import Daemon, Ground, key, wanted

pytestmark = pytest.mark.netns


@pytest.fixture
def leaving(node: Ground, resident: Daemon, foreign: Foreign, numbers: Iterator[int]) -> Iterator[Card]:
    """Give a ready ENI that a test takes away itself."""
    card = Card(next(numbers), prefixes4=2, prefixes6=1)
    node.attach(card)
    node.wait_for(card)
    yield card
    assert resident.running
    foreign.assert_untouched()
    node.assert_complete(STEADY)


def test_a_detached_eni_leaves_nothing(node: Ground, leaving: Card) -> None:
    node.detach(leaving)
    node.wait_until_gone(leaving)
    assert not set(leaving.delegated4) & node.ranges()


def test_what_imds_still_lists_does_not_come_back(node: Ground, resident: Daemon, leaving: Card) -> None:
    node.unplug(leaving)
    node.wait_until_gone(leaving)
    node.news.settle()
    resident.kick()
    node.wait_for_reads(key(leaving, ""), 3)
    assert [str(event) for event in node.news.take() if event.writer] == []
    assert not set(leaving.delegated4) & node.ranges()
    node.metadata.remove(leaving.folder)


def test_its_number_may_be_anothers_at_once(node: Ground, leaving: Card) -> None:
    other = Card(leaving.number, generation=1, prefixes4=1)
    node.detach(leaving)
    node.attach(other)
    node.wait_for(other)
    node.wait_until(lambda: not of_addresses(node, leaving), "nothing of the one before is left")
    node.assert_complete(other)
    node.detach(other)
    node.wait_until_gone(other)


def test_its_number_may_be_anothers_while_imds_lists_both(node: Ground, leaving: Card) -> None:
    other = Card(leaving.number, generation=1, prefixes4=1)
    node.unplug(leaving)
    node.attach(other)
    node.wait_for(other)
    node.wait_until(lambda: not of_addresses(node, leaving), "nothing of the one before is left")
    node.assert_complete(other)
    node.metadata.remove(leaving.folder)
    node.detach(other)
    node.wait_until_gone(other)


def of_addresses(node: Ground, card: Card) -> list[str]:
    """Return what names the ENI's addresses; its table may be another's by now."""
    marks = (f" 10.{card.place}.", f" 2001:db8:1:{0x100 + card.place:x}:")
    found = [*kernel.rules(node.name), *kernel.routes(node.name)]
    return [line for line in found if any(mark in line for mark in marks)]


def test_an_eni_in_another_namespace_is_gone_and_may_come_back(node: Ground, leaving: Card) -> None:
    name = f"eth{leaving.place}"
    node.batch(f"link set dev {name} netns {node.fabric}")
    node.wait_until_gone(leaving)
    node.fabric_ip("link", "set", "dev", name, "netns", node.name)
    node.wait_until_complete(leaving)
    node.detach(leaving)
    node.wait_until_gone(leaving)


def test_a_link_that_comes_back_at_once_keeps_its_rules(node: Ground, resident: Daemon, leaving: Card) -> None:
    """A driver that is bound anew makes a new link with the same MAC."""
    node.news.take()
    with resident.paused():
        node.unplug(leaving)
        node.plug(leaving)
    node.wait_until_complete(leaving)
    assert [str(event) for event in resident.wrote(node.news.take()) if event.removes] == []
    node.detach(leaving)
    node.wait_until_gone(leaving)


def test_an_eni_that_imds_lists_no_more_drains(node: Ground, resident: Daemon, leaving: Card) -> None:
    node.news.settle()
    node.metadata.remove(leaving.folder)
    resident.kick()
    node.wait_until(lambda: node.entry(leaving)["state"] == "draining", "it drains")
    node.wait_until(lambda: not set(leaving.delegated4) & node.ranges(), "its ranges are offered no more")
    assert node.of(leaving) == wanted(leaving)
    assert [str(event) for event in node.news.take() if event.writer] == []
    # IMDS was wrong, or the detach failed.
    node.metadata.update(leaving.metadata())
    resident.kick()
    node.wait_for(leaving)
    node.detach(leaving)
    node.wait_until_gone(leaving)


@pytest.fixture
def pod(node: Ground, leaving: Card) -> Callable[[], None]:
    """Route an address of the ENI's prefix to a pod; gives what ends the pod."""
    address = leaving.delegated4[0].replace(".0/28", ".5/32")
    node.batch("link add name vethpod type veth peer name podend", "link set dev vethpod up", "link set dev podend up")
    node.batch(f"route add {address} dev vethpod scope link")
    return lambda: node.batch("link del dev vethpod")


def test_pods_in_use_are_drained(node: Ground, leaving: Card, pod: Callable[[], None]) -> None:
    node.detach(leaving)
    node.wait_until(lambda: node.entry(leaving).get("state") == "draining", "it drains")
    used, unused = leaving.delegated4
    fallback = f"4 table {leaving.table} unreachable default metric 4278198272 proto 157"
    node.wait_until(lambda: not [rule for rule in kernel.rules(node.name) if leaving.address4 in rule], "it is cut")
    rules = set(kernel.rules(node.name))
    # From pod to pod it still works, and beyond the node it fails at once instead of leaving by the primary.
    assert f"4 512: to {used} table 254 proto 2" in rules
    assert f"4 1536: from {used} table {leaving.table} proto 2" in rules
    assert fallback in kernel.routes(node.name)
    assert not {unused, used} & node.ranges()
    pod()
    node.wait_until_gone(leaving)


def test_pods_of_one_that_went_are_refused_where_another_has_its_number(
    node: Ground, leaving: Card, pod: Callable[[], None]
) -> None:
    used, other = leaving.delegated4[0], Card(leaving.number, generation=1, prefixes4=1)
    expected = {f"4 512: to {used} table 254 proto 2", f"4 1536: from {used} unreachable proto 2"}
    node.detach(leaving)
    node.attach(other)
    node.wait_for(other)
    node.wait_until(lambda: {rule for rule in kernel.rules(node.name) if used in rule} == expected, "they are refused")
    node.wait_until(lambda: node.entry(leaving).get("state") == "draining", "it drains")
    node.assert_complete(other)
    pod()
    node.wait_until(lambda: not of_addresses(node, leaving), "nothing of the one before is left")
    node.assert_complete(other)
    node.detach(other)
    node.wait_until_gone(other)


def test_a_prefix_of_one_that_went_may_be_anothers(
    node: Ground, resident: Daemon, leaving: Card, card: Card, pod: Callable[[], None]
) -> None:
    """EC2 has it free again at the detach, while pods of the ENI before still run: new ones must get out."""
    used = leaving.delegated4[0]
    node.detach(leaving)
    node.wait_until(lambda: node.entry(leaving).get("ifname", "") is None, "its link is gone")
    node.metadata.set(key(card, "ipv4-prefix"), "\n".join([*card.delegated4, used]))
    resident.kick()
    node.wait_until(lambda: used in node.ranges(), "it is offered again")
    expected = {f"4 512: to {used} table 254 proto 2", f"4 1536: from {used} table {card.table} proto 2"}
    node.wait_until(
        lambda: {rule for rule in kernel.rules(node.name) if used in rule} == expected, "its rules are the other's"
    )
    pod()
    node.metadata.set(key(card, "ipv4-prefix"), "\n".join(card.delegated4))
    resident.kick()
    node.wait_until_complete(card)
    node.wait_until_gone(leaving)


def test_a_prefix_in_use_is_kept_until_its_pods_are_gone(
    node: Ground, resident: Daemon, leaving: Card, pod: Callable[[], None]
) -> None:
    used, unused = leaving.delegated4
    node.metadata.set(key(leaving, "ipv4-prefix"), "10.200.0.0/28")
    resident.kick()
    node.wait_until(lambda: "10.200.0.0/28" in node.ranges() and used not in node.ranges(), "the offer changes")
    node.wait_until(lambda: not [rule for rule in kernel.rules(node.name) if unused in rule], "the unused one goes")
    assert {f"4 512: to {used} table 254 proto 2", f"4 1536: from {used} table {leaving.table} proto 2"} <= set(
        kernel.rules(node.name)
    )
    pod()
    node.wait_until(lambda: not [rule for rule in kernel.rules(node.name) if used in rule], "the used one goes")
    node.detach(leaving)
    node.wait_until_gone(leaving)
    assert [line for line in (*kernel.rules(node.name), *kernel.routes(node.name)) if "10.200.0." in line] == []
