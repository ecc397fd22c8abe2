"""What a pass came to: which of the ENIs' states are a trouble of the node, and which are not."""

from dataclasses import replace
from ipaddress import IPv4Network

from network.values import ETH0, PRIMARY, PRIMARY_MAC, SECONDARY, SECONDARY_MAC, target

from agent.eni import unread
from agent.model import Unknown
from agent.network import report
from agent.network.memory import begin
from agent.network.records import Node, Record

FIRST, OTHER = target(PRIMARY, ETH0), target()
READY = Record(begin(PRIMARY, 0.0), state="ready", link_seen=1.0)


def node_with(other: Record) -> Node:
    return Node(PRIMARY_MAC, {PRIMARY_MAC: READY, SECONDARY_MAC: other})


def test_all_is_well() -> None:
    found = report.build(node_with(replace(READY, memory=begin(SECONDARY, 0.0))), [FIRST, OTHER], ())
    assert (found.state, found.message) == ("ok", "2 network interfaces ready")


def test_a_detach_is_no_trouble() -> None:
    leaving = Record(begin(SECONDARY, 0.0), state="draining", reason="IMDS lists it no more", unlisted=2.0)
    assert report.build(node_with(leaving), [FIRST, OTHER], ()).state == "ok"
    forgotten = replace(leaving, memory=begin(unread(SECONDARY_MAC, "nothing below it"), 0.0))
    assert report.build(node_with(forgotten), [FIRST, OTHER], ()).state == "ok"
    unplugged = Record(begin(SECONDARY, 0.0), state="link-missing", reason="its link has gone", link_gone=2.0)
    found = report.build(node_with(unplugged), [FIRST, OTHER], ())
    assert (found.state, found.message) == ("ok", "1 network interface ready")
    assert found.interfaces[SECONDARY_MAC] == "link-missing: its link has gone"


def test_a_detach_from_under_pods_is_one() -> None:
    leaving = Record(begin(SECONDARY, 0.0), state="draining", reason="pods use it", link_gone=2.0)
    under_pods = replace(OTHER, lingering=frozenset({IPv4Network("10.1.1.16/28")}))
    found = report.build(node_with(leaving), [FIRST, under_pods], ())
    assert (found.state, found.message) == ("degraded", "pods use it")


def test_a_primary_without_its_link_is_one() -> None:
    lost = replace(READY, state="link-missing", reason="its link has gone", link_gone=2.0)
    found = report.build(Node(PRIMARY_MAC, {PRIMARY_MAC: lost}), [FIRST], ())
    assert (found.state, found.message) == ("degraded", "its link has gone")


def test_before_imds_has_answered_it_waits() -> None:
    node = Node(Unknown("not read"), {}, trouble="IMDS cannot be reached")
    assert report.build(node, [], ()) == report.Report("waiting", "IMDS cannot be reached", {})
