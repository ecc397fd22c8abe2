"""Whatever the kernel has, one pass makes it right, a second does nothing, and what is others' is as it was."""

from dataclasses import replace
from ipaddress import IPv4Network, ip_address, ip_interface, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from network.values import ETH0, ETH1, PRIMARY, PRIMARY_MAC, SECONDARY, SECONDARY_MAC, target

from agent.model import Unknown
from agent.network.difference import Stages, stages
from agent.network.interfaces import altnames
from agent.network.targets import NOTHING, Target
from agent.network.wanted import Holding, addresses, routes, rules
from agent.rtnl import (
    BOOT,
    DHCP,
    MAIN_TABLE,
    REMOVALS,
    STATIC,
    UNREACHABLE,
    AddAltname,
    Address,
    AddRule,
    Change,
    PutAddress,
    PutRoute,
    RemoveAddress,
    RemoveAltname,
    RemoveRoute,
    RemoveRule,
    Route,
    Rule,
    SetMtu,
    SetUp,
    State,
)

DONE = replace(ETH1, up=True, mtu=9001, altnames=frozenset({"eni-0123456789abcdef1", "device-number-2.0"}))
NAMED = replace(ETH0, altnames=frozenset({"eni-0123456789abcdef0", "device-number-0.0"}))
PRIMARY_TARGET = target(PRIMARY, NAMED)
FOREIGN = (
    Rule(4, 512, MAIN_TABLE, dst=ip_network("192.0.2.7/32")),
    Rule(4, 1536, 77, src=ip_network("192.0.2.7/32")),
    Rule(4, 20, 3, src=ip_network("10.1.0.9/32")),
    Rule(4, 32765, 9, src=ip_network("10.1.0.9/32"), plain=False),
)


def flat(found: Stages) -> list[Change]:
    return [step.change for stage in found for step in stage]


def state_of(*targets: Target) -> State:
    """Return what the kernel has when all is done."""
    linked = [(each, each.link.index) for each in targets if each.link]
    return State(
        addresses=tuple(address for each, index in linked for address in addresses(each.holding, index)),
        routes=tuple(route for each, index in linked for route in routes(each.holding, index)),
        rules=tuple(rule for each in targets for rule in rules(each.holding)),
    )


def after(state: State, changes: list[Change]) -> State:
    """Return what a kernel has after the changes: a rule has a duplicate beside it, a route takes another's place."""
    there, lines, rows = list(state.addresses), list(state.routes), list(state.rules)
    for change in changes:
        match change:
            case PutAddress(address):
                there = [each for each in there if each.value != address.value] + [address]
            case RemoveAddress(address):
                there.remove(address)
            case PutRoute(route):
                lines = [each for each in lines if place(each) != place(route)] + [route]
            case RemoveRoute(route):
                lines.remove(route)
            case AddRule(rule):
                assert rule not in rows
                rows.append(rule)
            case RemoveRule(rule):
                rows.remove(rule)
    return State(tuple(there), tuple(lines), tuple(rows))


def place(route: Route) -> tuple[object, ...]:
    return (route.table, route.dst, route.metric)


def test_a_bare_link_gets_all_of_it_in_order() -> None:
    found = target()
    kinds = [type(change) for change in flat(stages([found], State()))]
    assert kinds == sorted(kinds, key=[SetMtu, SetUp, AddAltname, PutAddress, PutRoute, AddRule].index)
    assert set(altnames(found.interface)) == {
        change.altname for change in flat(stages([found], State())) if isinstance(change, AddAltname)
    }
    assert after(State(), flat(stages([found], State()))) == state_of(found)


def test_the_primary_is_left_to_networkd() -> None:
    found = target(PRIMARY, replace(ETH0, up=False, mtu=1500))
    assert not {SetMtu, SetUp, PutAddress} & {type(change) for change in flat(stages([found], State()))}


def test_a_driver_may_take_less_than_the_vpc() -> None:
    assert SetMtu(3, 3000) in flat(stages([target(link=replace(ETH1, largest_mtu=3000))], State()))


WHOLE = state_of(PRIMARY_TARGET, target(link=DONE))
DAMAGED_RULES = st.sampled_from(
    [
        replace(rule, **changed)
        for rule in WHOLE.rules
        for changed in ({"table": 1999}, {"protocol": 4}, {"protocol": 0}, {"priority": 700})
    ]
)
STRANGERS = st.sampled_from(
    [
        Address(3, ip_interface("203.0.113.9/24"), alone=False),
        Address(3, ip_interface("fe80::1/64"), alone=False),
        Address(3, ip_interface("10.1.0.9/20"), lasting=False, alone=False),
        Address(3, ip_interface("10.1.1.20/32")),
    ]
)


@given(
    kept=st.sets(st.sampled_from([*WHOLE.addresses, *WHOLE.routes, *WHOLE.rules])),
    damage=st.lists(DAMAGED_RULES, unique=True, max_size=4),
    strangers=st.lists(STRANGERS, unique=True),
    link=st.sampled_from([ETH1, DONE, replace(DONE, mtu=1200), replace(DONE, up=False)]),
)
def test_one_pass_makes_it_right_and_a_second_does_nothing(
    kept: set[object], damage: list[Rule], strangers: list[Address], link: object
) -> None:
    broken = State(
        addresses=(*(each for each in WHOLE.addresses if each in kept), *strangers),
        routes=tuple(each for each in WHOLE.routes if each in kept),
        rules=(*(each for each in WHOLE.rules if each in kept), *damage, *FOREIGN),
    )
    targets = [PRIMARY_TARGET, target(link=link)]
    mended = after(broken, flat(stages(targets, broken)))
    assert flat(stages([PRIMARY_TARGET, target(link=DONE)], mended)) == []
    assert set(FOREIGN) <= set(mended.rules)
    assert set(strangers) & set(STRANGE_BUT_HARMLESS) <= set(mended.addresses)
    assert {rule for rule in damage if rule.priority == 700} <= set(mended.rules)


STRANGE_BUT_HARMLESS = (
    Address(3, ip_interface("203.0.113.9/24"), alone=False),
    Address(3, ip_interface("fe80::1/64"), alone=False),
)


def test_nothing_goes_that_an_eni_may_need_that_is_not_known_yet() -> None:
    unsure = target(link=DONE, holding=Holding(SECONDARY_MAC, primary=False, table=3), firm=False)
    assert [change for change in flat(stages([unsure], WHOLE)) if isinstance(change, REMOVALS)] == []
    assert flat(stages([], WHOLE)) == []


@pytest.mark.parametrize(
    "unsure",
    [
        {"holding": Holding(SECONDARY_MAC, primary=False, table=None)},
        {"holding": Holding(SECONDARY_MAC, primary=False, table=3), "firm": False},
    ],
    ids=["whose table is not known", "of which not all is known"],
)
def test_what_was_made_for_an_eni_stays(unsure: dict[str, Any]) -> None:
    claim = NOTHING.joined(target(link=DONE).holding)
    assert flat(stages([PRIMARY_TARGET, target(link=DONE, claim=claim, **unsure)], WHOLE)) == []


def test_a_withdrawn_prefix_goes_unless_pods_use_it() -> None:
    claim = NOTHING.joined(target(link=DONE).holding)
    less = replace(SECONDARY, ipv4_prefixes=None)
    gone = flat(stages([target(less, DONE, claim)], state_of(target(link=DONE))))
    prefix = IPv4Network("10.1.1.16/28")
    assert gone == [
        RemoveRule(Rule(4, 512, MAIN_TABLE, dst=prefix)),
        RemoveRule(Rule(4, 1536, 3, src=prefix)),
        RemoveRoute(Route(MAIN_TABLE, prefix, unreachable=True)),
    ]
    used = target(less, DONE, claim, lingering=frozenset({prefix}))
    assert not any(isinstance(change, RemoveRule) for change in flat(stages([used], state_of(target(link=DONE)))))


def test_all_of_an_eni_that_has_gone_goes_first() -> None:
    claim = NOTHING.joined(target(link=DONE).holding)
    empty = Holding(SECONDARY_MAC, primary=False, table=None)
    left = replace(state_of(target(link=DONE)), addresses=())
    gone = target(link=None, claim=claim, holding=empty, gone=True)
    found = stages([gone, PRIMARY_TARGET], left)
    assert found[0] == ()
    assert {type(step.change) for step in found[1]} == {RemoveRule, RemoveRoute}
    assert after(left, flat(found)) == after(State(), flat(stages([PRIMARY_TARGET], State())))


def test_pods_of_one_that_has_gone_are_refused_before_their_rule_goes() -> None:
    """Its table is another's: between the two they would leave by the primary."""
    claim, used = NOTHING.joined(target(link=DONE).holding), ip_network("10.1.1.16/28")
    empty = Holding(SECONDARY_MAC, primary=False, table=None)
    gone = target(link=None, claim=claim, holding=empty, gone=True, lingering=frozenset({used}))
    heir = target(replace(SECONDARY, mac="02:00:00:00:00:0c", ipv4_prefixes=None), replace(DONE, index=4))
    left = replace(state_of(target(link=DONE)), addresses=())
    found = stages([gone, heir, PRIMARY_TARGET], left)
    old, refusal = Rule(4, 1536, 3, src=used), Rule(4, 1536, 0, src=used, action=UNREACHABLE)
    assert [step.change for step in found[0]] == [AddRule(refusal)]
    assert RemoveRule(old) in [step.change for step in found[1]]
    assert flat(found).count(AddRule(refusal)) == 1
    mended = after(left, flat(found))
    assert refusal in mended.rules
    assert flat(stages([gone, heir, PRIMARY_TARGET], mended)) == []


def test_a_link_that_may_come_back_in_a_moment_loses_nothing() -> None:
    claim = NOTHING.joined(target(link=DONE).holding)
    left = replace(state_of(target(link=DONE)), addresses=())
    resting = replace(left, routes=tuple(route for route in left.routes if route.unreachable))
    assert flat(stages([target(link=None, claim=claim)], resting)) == []


def test_a_route_of_ours_that_is_nobodys_goes_unless_something_needs_it() -> None:
    """The snapshot was lost, and IMDS does not list an ENI that is attached: its rules stay, and so does the rest."""
    lost = state_of(target(link=DONE))
    assert flat(stages([PRIMARY_TARGET], replace(WHOLE, addresses=()))) == []
    resorts = tuple(route for route in lost.routes if route.unreachable)
    orphans = replace(state_of(PRIMARY_TARGET), routes=(*state_of(PRIMARY_TARGET).routes, *resorts))
    assert flat(stages([PRIMARY_TARGET], orphans)) == [RemoveRoute(route) for route in resorts]


def test_anothers_rule_is_not_removed_in_the_place_of_ours() -> None:
    """The kernel removes the first rule that has what is named, whatever else it selects by."""
    claim = NOTHING.joined(target(link=DONE).holding)
    gone = target(link=None, claim=claim, holding=Holding(SECONDARY_MAC, primary=False, table=None), gone=True)
    ours = Rule(4, 1536, 3, src=ip_network("10.1.1.16/28"))
    twin = replace(ours, plain=False)
    assert flat(stages([gone], State(rules=(ours, twin)))) == [RemoveRule(ours)]
    assert flat(stages([gone], State(rules=(twin, ours)))) == []


def test_a_name_of_another_number_goes_before_names_come() -> None:
    link = replace(DONE, altnames=frozenset({"eni-0123456789abcdef1", "device-number-7.0", "mine"}))
    found = flat(stages([PRIMARY_TARGET, target(link=link)], WHOLE))
    assert found == [RemoveAltname(3, "device-number-7.0"), AddAltname(3, "device-number-2.0")]
    unknown = replace(SECONDARY, device_number=Unknown("late"))
    assert not [each for each in flat(stages([target(unknown, link)], WHOLE)) if isinstance(each, RemoveAltname)]


@pytest.mark.parametrize(
    "stranger",
    [
        Route(3, ip_network("0.0.0.0/0"), 3, ip_address("10.1.0.1"), protocol=BOOT, source=ip_address("10.0.0.4")),
        Route(3, ip_network("0.0.0.0/0"), 3, ip_address("10.1.0.1"), protocol=STATIC),
        Route(3, ip_network("0.0.0.0/0"), protocol=BOOT, unreachable=True),
    ],
    ids=["a source", "static", "a refusal"],
)
def test_a_route_beside_ours_in_its_table_goes(stranger: Route) -> None:
    state = replace(WHOLE, routes=(stranger, *WHOLE.routes))
    assert flat(stages([PRIMARY_TARGET, target(link=DONE)], state)) == [RemoveRoute(stranger)]
    in_main = replace(stranger, table=MAIN_TABLE, dst=ip_network("10.1.1.16/28"))
    state = replace(WHOLE, routes=(in_main, *WHOLE.routes))
    assert flat(stages([PRIMARY_TARGET, target(link=DONE)], state)) == []


def test_a_route_with_an_mtu_of_its_own_is_not_as_good() -> None:
    mine = Route(3, ip_network("0.0.0.0/0"), 3, ip_address("10.1.0.1"))
    tuned = tuple(replace(each, protocol=BOOT, tuned=True) if each == mine else each for each in WHOLE.routes)
    assert flat(stages([PRIMARY_TARGET, target(link=DONE)], replace(WHOLE, routes=tuned))) == [PutRoute(mine)]


def test_what_dhcp_brought_into_main_by_a_secondary_goes() -> None:
    stray = Route(MAIN_TABLE, ip_network("0.0.0.0/0"), 3, ip_address("10.1.0.1"), 1024, DHCP)
    own = replace(stray, index=2)
    state = replace(WHOLE, routes=(*WHOLE.routes, stray, own))
    assert flat(stages([PRIMARY_TARGET, target(link=DONE)], state)) == [RemoveRoute(stray)]


@pytest.mark.parametrize("protocol", [BOOT, 157])
def test_a_route_that_the_vpc_cni_made_is_as_good(protocol: int) -> None:
    routes_now = tuple(replace(route, protocol=protocol) for route in WHOLE.routes)
    assert flat(stages([PRIMARY_TARGET, target(link=DONE)], replace(WHOLE, routes=routes_now))) == []


def test_the_primarys_mac_is_what_steps_are_counted_for() -> None:
    assert {step.mac for stage in stages([target(PRIMARY, ETH0)], State()) for step in stage} == {PRIMARY_MAC}
