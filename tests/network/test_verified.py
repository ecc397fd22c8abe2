"""The primary as systemd-networkd left it: looked at, and never made."""

from ipaddress import ip_interface, ip_network

from network.values import ETH0, PRIMARY, PRIMARY_MAC, target

from agent.network.verified import troubles
from agent.rtnl import DHCP, MAIN_TABLE, Address, Route, State

LEASED = Address(ETH0.index, ip_interface("10.0.0.4/20"), lasting=False, alone=False)
DEFAULT = Route(MAIN_TABLE, ip_network("0.0.0.0/0"), ETH0.index, protocol=DHCP)
REFUSAL = Route(MAIN_TABLE, ip_network("0.0.0.0/0"), unreachable=True)


def test_nothing_is_wrong_with_an_address_and_a_way_out() -> None:
    found = troubles([target(PRIMARY, ETH0), target()], State(addresses=(LEASED,), primary=(DEFAULT,)))
    assert found == {PRIMARY_MAC: []}


def test_what_it_lacks_is_told() -> None:
    (found,) = troubles([target(PRIMARY, ETH0)], State(primary=(REFUSAL,))).values()
    assert found == ["eth0 does not have the primary's address 10.0.0.4", "there is no IPv4 default route by eth0"]


def test_another_links_address_is_not_its_own() -> None:
    elsewhere = Address(9, LEASED.value)
    (found,) = troubles([target(PRIMARY, ETH0)], State(addresses=(elsewhere,), primary=(DEFAULT,))).values()
    assert found == ["eth0 does not have the primary's address 10.0.0.4"]


def test_without_a_link_its_absence_is_told_elsewhere() -> None:
    assert troubles([target(PRIMARY, None)], State()) == {PRIMARY_MAC: []}
