"""The states of an ENI from its link to its end, and what the others on the node read of it."""

import json
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Network

import pytest
from network.values import ETH0, ETH1, PRIMARY, PRIMARY_MAC, SECONDARY, SECONDARY_MAC

from agent.eni import Eni
from agent.model import FileSpec, Unknown
from agent.network import records, restore, snapshot
from agent.network.memory import begin
from agent.network.numbers import FROM_POD
from agent.network.offer import is_routable, offer
from agent.network.records import GRACE, Node, Record, listing
from agent.network.settings import Settings
from agent.network.targets import NOTHING, Target, pruned
from agent.rtnl import UNREACHABLE, Link, Route, Rule, State

UP = replace(ETH1, up=True, mtu=9001)
LATE = Unknown("late")


def node_of(*enis: Eni, now: float = 0.0, **more: object) -> Node:
    return Node(PRIMARY_MAC, {eni.mac: Record(begin(eni, now), since=now, **more) for eni in enis}, listed=True)


def passed(node: Node, links: list[Link], now: float, **more: bool) -> tuple[Node, tuple[Target, ...]]:
    """Make a pass as the daemon does, in a kernel that does what it is told."""
    node = records.links_seen(node, links, now)
    found = records.targets(node, links, now, pod_subnet_mode=more.get("pod_subnet_mode", False))
    cleared = tuple(replace(each, claim=NOTHING) if each.gone and not more.get("in_use") else each for each in found)
    return records.after_changes(node, cleared, {}, now, lacking={}), cleared


def state(node: Node, mac: str = SECONDARY_MAC) -> tuple[str, str | None]:
    return node.records[mac].state, node.records[mac].reason


def test_an_eni_is_ready_when_its_link_and_its_metadata_are_there() -> None:
    node, _ = passed(node_of(PRIMARY, SECONDARY), [ETH0], 1.0)
    assert state(node) == ("link-missing", f"no link has the MAC {SECONDARY_MAC}")
    node, _ = passed(node, [ETH0, UP], 2.0)
    assert state(node) == ("ready", None)
    assert (node.records[SECONDARY_MAC].link_seen, node.records[SECONDARY_MAC].ready) == (2.0, 2.0)


def test_what_is_missing_is_said() -> None:
    node, _ = passed(node_of(PRIMARY, replace(SECONDARY, device_number=0)), [ETH0, UP], 1.0)
    assert state(node) == ("metadata-pending", f"IMDS does not have the device number of {SECONDARY_MAC} yet")
    node, _ = passed(node_of(PRIMARY, replace(SECONDARY, ipv4s=None, ipv6s=None)), [ETH0, UP], 1.0)
    assert state(node)[0] == "metadata-pending"
    node, _ = passed(node, [ETH0, UP], 6.0)
    assert state(node) == ("ignored", None), "one for EFA only"


def test_nothing_is_made_of_an_eni_while_it_may_be_of_another_account() -> None:
    foreign = replace(SECONDARY, owner_id="999999999999")
    node, (_, found) = passed(node_of(replace(PRIMARY, owner_id=LATE), foreign), [ETH0, UP], 1.0)
    assert (found.mac, found.holding.pods, found.certain) == (SECONDARY_MAC, (), False)
    assert state(node) == ("metadata-pending", "late")
    assert node.records[SECONDARY_MAC].claim == NOTHING
    node, (_, found) = passed(node_of(PRIMARY, foreign), [ETH0, UP], 1.0)
    assert (state(node), found.interface.role, found.holding.pods) == (("ignored", None), "ignored", ())


def test_what_was_made_stays_while_the_primarys_account_is_unknown() -> None:
    node, _ = passed(node_of(PRIMARY, SECONDARY), [ETH0, UP], 1.0)
    before = node.records[SECONDARY_MAC].claim
    unread = replace(node.records[PRIMARY_MAC], memory=begin(replace(PRIMARY, owner_id=LATE), 1.0))
    node, (_, found) = passed(node.with_record(PRIMARY_MAC, unread), [ETH0, UP], 2.0)
    assert node.records[SECONDARY_MAC].claim == before != NOTHING
    assert not found.certain


@pytest.mark.parametrize(
    ("late", "named"),
    [
        ({"subnet_ipv4_cidr": None}, "subnet-ipv4-cidr-block"),
        ({"ipv4s": None}, "local-ipv4s"),
        ({"ipv4s": None, "subnet_ipv4_cidr": None}, "local-ipv4s, subnet-ipv4-cidr-block"),
    ],
)
def test_a_prefix_that_cannot_be_routed_yet_is_not_offered(late: dict[str, None], named: str) -> None:
    """Its pods' packets would leave by the primary, with a source that is not the primary's."""
    node, targets = passed(node_of(PRIMARY, replace(SECONDARY, **late)), [ETH0, UP], 1.0)
    assert state(node) == ("metadata-pending", f"IMDS does not list {named} of {SECONDARY_MAC} yet")
    assert offered(node, targets) == {"10.0.1.16/28"}


def test_an_eni_of_an_ipv6_subnet_needs_no_ipv4() -> None:
    six = replace(SECONDARY, ipv4s=None, ipv4_prefixes=None, subnet_ipv4_cidr=None)
    node, _ = passed(node_of(PRIMARY, six), [ETH0, UP], 1.0)
    assert state(node) == ("ready", None)


def test_pods_of_an_eni_that_has_gone_are_refused_where_another_has_its_table() -> None:
    node, _ = passed(node_of(PRIMARY, SECONDARY), [ETH0, UP], 1.0)
    made = node.records[SECONDARY_MAC].claim
    heir = replace(SECONDARY, mac="02:00:00:00:00:0c", ipv4s=(IPv4Address("10.1.0.77"),), ipv4_prefixes=None)
    heir = replace(heir, ipv6s=None, ipv6_prefixes=None)
    node = node.with_record(heir.mac, Record(begin(heir, 2.0)))
    links = [ETH0, replace(UP, index=4, mac=heir.mac)]
    node, found = passed(node, links, 2.0, in_use=True)
    used = IPv4Network("10.1.1.16/28")
    gone = next(replace(each, lingering=frozenset({used})) for each in found if each.mac == SECONDARY_MAC)
    refusal = Rule(4, FROM_POD, 0, src=used, action=UNREACHABLE)
    assert refusal in gone.lingering_rules({3})
    assert all(rule.table != 3 for rule in gone.lingering_rules({3}))
    claimed = records.after_changes(node, [gone], {}, 2.0, lacking={}).records[SECONDARY_MAC].claim
    assert claimed.rules == made.rules | {refusal}, "so that it goes with the last of these pods"


def test_two_of_one_number_do_not_fight() -> None:
    twin = replace(SECONDARY, mac="02:00:00:00:00:0c", eni_id="eni-0123456789abcdef2")
    node, _ = passed(node_of(PRIMARY, SECONDARY), [ETH0, UP], 1.0)
    node = node.with_record(twin.mac, Record(begin(twin, 2.0)))
    link = replace(UP, index=4, name="eth2", mac=twin.mac)
    node, _ = passed(node, [ETH0, UP, link], 2.0)
    assert state(node)[0] == "ready"
    assert state(node, twin.mac)[0] == "metadata-pending"


def test_a_link_that_goes_is_waited_for_and_then_detached() -> None:
    node, _ = passed(node_of(PRIMARY, SECONDARY), [ETH0, UP], 1.0)
    node, (_, resting) = passed(node, [ETH0], 2.0)
    assert (state(node)[0], resting.gone) == ("link-missing", False)
    node, (_, gone) = passed(node, [ETH0], 2.0 + GRACE)
    assert (state(node)[0], gone.gone, gone.holding.hosts) == ("gone", True, ())
    for now in (600.0, 1200.0):
        node = listing(node, [PRIMARY_MAC, SECONDARY_MAC], now)
        node, _ = passed(node, [ETH0], now)
        assert state(node)[0] == "gone", "IMDS still lists it: it may be in another namespace"
    node, _ = passed(listing(node, [PRIMARY_MAC], 1201.0), [ETH0], 1201.0)
    assert SECONDARY_MAC not in node.records


def test_whose_number_is_taken_is_cleared_away_at_once() -> None:
    node, _ = passed(node_of(PRIMARY, SECONDARY), [ETH0, UP], 1.0)
    heir = replace(SECONDARY, mac="02:00:00:00:00:0c", eni_id="eni-0123456789abcdef2")
    node = node.with_record(heir.mac, Record(begin(heir, 2.0)))
    node, found = passed(node, [ETH0, replace(UP, index=4, mac=heir.mac)], 2.0)
    assert [each.gone for each in found if each.mac == SECONDARY_MAC] == [True]
    assert state(node, heir.mac)[0] == "ready"


def test_what_is_attached_again_is_asked_for_anew() -> None:
    node, _ = passed(node_of(PRIMARY, SECONDARY), [ETH0, UP], 1.0)
    for now in (2.0, 2.0 + GRACE):
        node, _ = passed(node, [ETH0], now)
    node = records.links_seen(node, [ETH0, UP], 4.0)
    assert isinstance(node.records[SECONDARY_MAC].memory.eni.device_number, Unknown)


def test_who_is_unlisted_drains_as_long_as_its_link_is_there() -> None:
    node, _ = passed(node_of(PRIMARY, SECONDARY), [ETH0, UP], 1.0)
    node = records.listing(node, [PRIMARY_MAC], 2.0)
    assert records.is_doubted(node)
    node, _ = passed(node, [ETH0, UP], 9.0)
    assert state(node)[0] == "ready", "one listing says little, however long ago"
    node = records.listing(node, [PRIMARY_MAC], 2.9)
    assert state(passed(node, [ETH0, UP], 9.0)[0])[0] == "ready", "two at once are one"
    node = records.listing(node, [PRIMARY_MAC], 3.0)
    assert not records.is_doubted(node)
    node, (_, target) = passed(node, [ETH0, UP], 3.0)
    assert state(node)[0] == "draining"
    assert target.holding.hosts, "the kernel keeps it"
    node = records.listing(node, [PRIMARY_MAC, SECONDARY_MAC], 4.0)
    assert state(passed(node, [ETH0, UP], 4.0)[0])[0] == "ready"


def test_who_drains_does_so_after_a_restart_too() -> None:
    node, _ = passed(node_of(PRIMARY, SECONDARY), [ETH0, UP], 1.0)
    node = records.listing(records.listing(node, [PRIMARY_MAC], 2.0), [PRIMARY_MAC], 3.0)
    node, targets = passed(node, [ETH0, UP], 3.0)
    body = snapshot.build(node, targets, "boot", None, pod_subnet_mode=False)
    again, targets = passed(restore.node(body, "boot"), [ETH0, UP], 4.0)
    assert state(again) == state(node)
    assert offered(again, targets) == {"10.0.1.16/28"}
    again = records.listing(again, [PRIMARY_MAC, SECONDARY_MAC], 5.0)
    assert state(passed(again, [ETH0, UP], 5.0)[0])[0] == "ready"


HEIR = replace(
    SECONDARY,
    mac="02:00:00:00:00:0c",
    eni_id="eni-0123456789abcdef2",
    device_number=3,
    ipv4s=(IPv4Address("10.2.0.9"),),
    ipv6s=None,
    ipv6_prefixes=None,
)
HEIR_LINK = replace(UP, index=4, name="eth2", mac=HEIR.mac)


def test_a_range_belongs_to_one_eni_that_stays() -> None:
    """EC2 gives a prefix to another ENI as soon as it is free, and pods of the one before may still run."""
    moved = IPv4Network("10.1.1.16/28")
    node, _ = passed(node_of(PRIMARY, SECONDARY, replace(HEIR, ipv4_prefixes=None)), [ETH0, UP, HEIR_LINK], 1.0)
    for now in (2.0, 2.0 + GRACE):
        node, found = passed(node, [ETH0, HEIR_LINK], now, in_use=True)
    gone = next(each for each in found if each.mac == SECONDARY_MAC)
    assert moved in gone.withdrawn
    node = node.with_record(HEIR.mac, replace(node.records[HEIR.mac], memory=begin(HEIR, 0.0)))
    _, found = passed(node, [ETH0, HEIR_LINK], 5.0, in_use=True)
    gone = next(each for each in found if each.mac == SECONDARY_MAC)
    assert moved not in gone.withdrawn
    assert not [rule for rule in gone.waiting_rules if moved in {rule.src, rule.dst}]


def test_a_range_of_one_that_drains_is_anothers() -> None:
    node, _ = passed(node_of(PRIMARY, SECONDARY, HEIR), [ETH0, UP, HEIR_LINK], 1.0)
    node = records.listing(records.listing(node, [PRIMARY_MAC, HEIR.mac], 2.0), [PRIMARY_MAC, HEIR.mac], 3.0)
    _, found = passed(node, [ETH0, UP, HEIR_LINK], 3.0)
    held = {each.mac: each.holding.prefixes for each in found}
    assert IPv4Network("10.1.1.16/28") not in held[SECONDARY_MAC]
    assert IPv4Network("10.1.1.16/28") in held[HEIR.mac]


def test_a_table_that_another_has_by_now_is_claimed_no_more() -> None:
    node, targets = passed(node_of(PRIMARY, SECONDARY), [ETH0, UP], 1.0)
    heir = replace(HEIR, device_number=2, ipv4_prefixes=None)
    node = node.with_record(heir.mac, Record(begin(heir, 2.0)))
    node, targets = passed(node, [ETH0, HEIR_LINK], 2.0, in_use=True)
    there = State(routes=(Route(3, IPv4Network("0.0.0.0/0"), 4),))
    gone = next(each for each in pruned(targets, there) if each.mac == SECONDARY_MAC)
    assert gone.claim == NOTHING


def offered(node: Node, targets: tuple[Target, ...], **more: bool) -> set[str] | None:
    file = offer(node, targets, pod_subnet_mode=more.get("pod_subnet_mode", False))
    assert not isinstance(file, Unknown)
    if file is None:
        return None
    assert isinstance(file, FileSpec)
    ranges = json.loads(file.content)["plugins"][0]["ipam"]["ranges"]
    return {each["subnet"] for family in ranges for each in family}


def test_ranges_are_offered_when_they_are_made_and_while_the_eni_stays() -> None:
    node, targets = passed(node_of(PRIMARY, SECONDARY), [ETH0, UP], 1.0)
    assert offered(node, targets) == {"10.0.1.16/28", "10.1.1.16/28", "2001:db8:1:0:1::/80"}
    node = records.listing(records.listing(node, [PRIMARY_MAC], 2.0), [PRIMARY_MAC], 3.0)
    node, targets = passed(node, [ETH0, UP], 3.0)
    assert offered(node, targets) == {"10.0.1.16/28"}
    assert is_routable(node, targets)


def test_in_pod_subnet_mode_the_primary_offers_nothing() -> None:
    node, targets = passed(node_of(PRIMARY, SECONDARY), [ETH0], 1.0, pod_subnet_mode=True)
    assert offered(node, targets, pod_subnet_mode=True) is None
    node, targets = passed(node, [ETH0, UP], 2.0, pod_subnet_mode=True)
    assert offered(node, targets, pod_subnet_mode=True) == {"10.1.1.16/28", "2001:db8:1:0:1::/80"}


def test_in_pod_subnet_mode_an_unknown_takes_nothing_away() -> None:
    late = replace(SECONDARY, ipv4_prefixes=LATE, ipv6_prefixes=None)
    for known in (node_of(PRIMARY, late), Node()):
        node, targets = passed(known, [ETH0, UP], 1.0, pod_subnet_mode=True)
        assert isinstance(offer(node, targets, pod_subnet_mode=True), Unknown)


def test_one_for_efa_only_needs_no_link() -> None:
    bare = replace(SECONDARY, ipv4s=None, ipv6s=None, ipv4_prefixes=None, ipv6_prefixes=None)
    node, targets = passed(node_of(replace(PRIMARY, ipv4_prefixes=None), bare), [ETH0], 6.0)
    assert state(node) == ("ignored", None)
    sure = tuple(replace(each, firm=True) for each in targets)
    assert offered(node, sure) == {"198.18.64.0/20"}


def test_what_could_not_be_made_is_not_offered() -> None:
    node, targets = passed(node_of(PRIMARY, SECONDARY), [ETH0, UP], 1.0)
    lacking = {SECONDARY_MAC: frozenset({IPv6Network("::/0")})}
    node = records.after_changes(node, targets, {SECONDARY_MAC: ["refused"]}, 2.0, lacking=lacking)
    assert offered(node, targets) == {"10.0.1.16/28", "10.1.1.16/28"}
    lacking = {SECONDARY_MAC: frozenset({IPv4Network("10.1.1.16/28"), IPv6Network("::/0")})}
    node = records.after_changes(node, targets, {SECONDARY_MAC: ["refused"]}, 3.0, lacking=lacking)
    assert offered(node, targets) == {"10.0.1.16/28"}
    body = snapshot.build(node, targets, "boot", None, pod_subnet_mode=False)
    again = restore.node(body, "boot")
    assert offered(again, targets) == {"10.0.1.16/28"}, "nor after a restart"
    before = records.before_changes(node, targets, {SECONDARY_MAC: ["refused"]}, {SECONDARY_MAC}, now=4.0)
    assert state(before) == state(node)


def test_the_mode_is_remembered_over_a_restart() -> None:
    node, targets = passed(node_of(PRIMARY, SECONDARY), [ETH0, UP], 1.0)
    for mode in (True, False):
        body = snapshot.build(node, targets, "boot", None, pod_subnet_mode=mode)
        assert restore.settings(body, "boot") == Settings(pod_subnet_mode=mode)
        assert restore.settings(body, "another boot") == restore.settings(None, "boot") == Settings()


def test_without_a_prefix_nothing_is_said_until_that_is_sure() -> None:
    node, targets = passed(node_of(replace(PRIMARY, ipv4_prefixes=None)), [ETH0], 1.0)
    assert isinstance(offer(node, targets, pod_subnet_mode=False), Unknown)
    sure = tuple(replace(each, firm=True) for each in targets)
    assert offered(node, sure) == {"198.18.64.0/20"}


def test_a_restart_knows_what_was_published() -> None:
    node, targets = passed(node_of(PRIMARY, SECONDARY), [ETH0, UP], 1.0)
    body = snapshot.build(node, targets, "boot", None, pod_subnet_mode=False)
    assert body is not None
    assert snapshot.build(node, targets, "boot", body, pod_subnet_mode=False) == body, "no new generation"
    again = restore.node(snapshot.parsed(snapshot.as_json(body).decode()), "boot")
    assert again.primary_mac == PRIMARY_MAC
    record = again.records[SECONDARY_MAC]
    assert record.memory.eni == SECONDARY
    assert record.claim == node.records[SECONDARY_MAC].claim
    assert (record.state, record.ready) == ("ready", 1.0)
    assert restore.node(body, "another boot") == Node()
    assert restore.node({**body, "enis": [{}]}, "boot") == Node()


def test_a_withdrawn_prefix_is_remembered_over_a_restart() -> None:
    node, targets = passed(node_of(PRIMARY, SECONDARY), [ETH0, UP], 1.0)
    less = replace(SECONDARY, ipv4_prefixes=None)
    node = node.with_record(SECONDARY_MAC, replace(node.records[SECONDARY_MAC], memory=begin(less, 0.0)))
    node, targets = passed(node, [ETH0, UP], 2.0)
    body = snapshot.build(node, targets, "boot", None, pod_subnet_mode=False)
    assert IPv4Network("10.1.1.16/28") in restore.node(body, "boot").records[SECONDARY_MAC].claim.pods


def test_a_refusal_is_claimed_after_a_restart_whoever_has_the_table() -> None:
    node, _ = passed(node_of(PRIMARY, SECONDARY), [ETH0, UP], 1.0)
    for now in (2.0, 2.0 + GRACE):
        node, targets = passed(node, [ETH0], now, in_use=True)
    body = snapshot.build(node, targets, "boot", None, pod_subnet_mode=False)
    (entry,) = (each for each in body["enis"] if each["mac"] == SECONDARY_MAC)
    entry |= {"table": None, "formerTable": None, "withdrawnPrefixes": ["10.1.1.16/28"]}
    refusal = Rule(4, FROM_POD, 0, src=IPv4Network("10.1.1.16/28"), action=UNREACHABLE)
    assert refusal in restore.node(body, "boot").records[SECONDARY_MAC].claim.rules
