"""Which link an ENI is, what it should be like, and the changes that make it so."""

from dataclasses import replace
from typing import Any

import pytest
from network.values import ETH0, ETH1, PRIMARY, PRIMARY_MAC, SECONDARY, SECONDARY_MAC, pair

from agent.eni import EniTree
from agent.model import Unknown
from agent.network import desired
from agent.network.desired import Interface
from agent.network.difference import changes
from agent.rtnl import AddAltname, Link, SetMtu, SetUp

LATE = Unknown("late")


def test_the_primary_is_who_imds_says_and_comes_first() -> None:
    primary, secondary = pair(ETH0, ETH1)
    assert primary == Interface(PRIMARY, ETH0, primary=True)
    assert secondary == Interface(SECONDARY, ETH1, primary=False)


def test_a_secondary_gets_its_mtu_comes_up_and_is_named() -> None:
    assert changes(pair(ETH0, ETH1)[1]) == (
        SetMtu(3, 9001),
        SetUp(3),
        AddAltname(3, "device-number-2.1"),
        AddAltname(3, "eni-0123456789abcdef1"),
    )


def test_the_primary_is_named_and_left_alone() -> None:
    bare = replace(ETH0, up=False, mtu=1500, altnames=frozenset())
    assert changes(pair(bare)[0]) == (AddAltname(2, "device-number-0"), AddAltname(2, "eni-0123456789abcdef0"))


def test_what_is_as_it_should_be_is_not_changed() -> None:
    done = replace(ETH1, up=True, mtu=9001, altnames=frozenset({"device-number-2.1", "eni-0123456789abcdef1", "x"}))
    assert [changes(each) for each in pair(ETH0, done)] == [(), ()]


def test_a_driver_may_take_less_than_the_vpc() -> None:
    assert SetMtu(3, 3000) in changes(pair(replace(ETH1, largest_mtu=3000))[1])
    assert SetMtu(3, 9001) in changes(pair(replace(ETH1, largest_mtu=9216))[1])


@pytest.mark.parametrize("kind", ["vlan", "ipvlan", "macvlan", "bridge", "bond", "dummy"])
def test_a_link_of_another_kind_never_is_an_eni(kind: str) -> None:
    assert [each.link for each in pair(replace(ETH1, kind=kind))] == [None, None]


@pytest.mark.parametrize(
    ("links", "chosen"),
    [
        ([replace(ETH1, kind="veth")], 3),
        ([replace(ETH1, index=7, kind="veth"), replace(ETH1, index=9)], 9),
        ([replace(ETH1, permanent_mac="02:00:00:00:00:ff")], None),
        ([replace(ETH1, mac="02:00:00:00:00:ff", permanent_mac=SECONDARY_MAC)], 3),
    ],
    ids=["veth", "hardware before veth", "a MAC that was set", "the permanent MAC"],
)
def test_the_permanent_mac_tells(links: list[Link], chosen: int | None) -> None:
    link = pair(*links)[1].link
    assert (link and link.index) == chosen


def test_without_a_listing_there_is_nothing_to_do() -> None:
    assert desired.interfaces(EniTree(PRIMARY_MAC, LATE), [ETH0, ETH1]) == ()


def test_nothing_is_done_to_what_may_be_the_primary() -> None:
    (only,) = desired.interfaces(EniTree(LATE, (SECONDARY,)), [ETH1])
    assert only.primary == LATE
    assert not {SetMtu(3, 9001), SetUp(3)} & set(changes(only))
    assert desired.pending(only) == "late"


@pytest.mark.parametrize("card", [None, 0])
def test_device_number_0_of_a_secondary_is_not_yet_known(card: int | None) -> None:
    secondary = pair(ETH1, device_number=0, network_card=card)[1]
    assert isinstance(desired.device_number(secondary), Unknown)
    assert AddAltname(3, "device-number-0") not in changes(secondary)
    assert SetUp(3) in changes(secondary)


def test_device_number_0_on_another_card_is_one() -> None:
    assert AddAltname(3, "device-number-0.2") in changes(pair(ETH1, device_number=0, network_card=2)[1])


@pytest.mark.parametrize("values", [{"device_number": LATE}, {"network_card": LATE}, {"eni_id": LATE}])
def test_a_name_waits_for_what_it_is_made_of_and_nothing_else_does(values: dict[str, Any]) -> None:
    secondary = pair(ETH1, **values)[1]
    assert desired.pending(secondary) == "late"
    assert changes(secondary)[:2] == (SetMtu(3, 9001), SetUp(3))
    assert len(changes(secondary)) == 3


@pytest.mark.parametrize("key", ["ipv4s", "ipv6s", "ipv4_prefixes", "ipv6_prefixes"])
def test_unknown_addresses_are_pending(key: str) -> None:
    assert desired.pending(pair(ETH0, ETH1, **{key: LATE})[1]) == "late"


def test_a_missing_link_is_pending() -> None:
    assert desired.pending(pair(ETH0)[1]) == f"no link has the MAC {SECONDARY_MAC}"
    assert desired.pending(pair(ETH0)[0]) is None
    assert changes(pair(ETH0)[1]) == ()


def test_sysctls_go_by_the_name_of_now() -> None:
    primary, secondary = pair(ETH0, replace(ETH1, name="ens6"))
    assert desired.sysctls(primary) == {"net.ipv4.conf.eth0.rp_filter": "2"}
    assert desired.sysctls(secondary) == {"net.ipv4.conf.ens6.rp_filter": "2"}
    assert desired.sysctls(pair(ETH0)[1]) == {}


def test_an_interface_for_efa_only_is_not_used() -> None:
    assert not desired.is_used(pair(ipv4s=None, ipv6s=None)[1])
    assert desired.is_used(pair(ipv4s=LATE, ipv6s=None)[1])
