"""ENIs and links that the pure tests of the room share."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any

from agent.eni import Eni
from agent.network.interfaces import Interface
from agent.network.targets import NOTHING, Claim, Target
from agent.network.wanted import holding
from agent.rtnl import Link

PRIMARY_MAC, SECONDARY_MAC = "02:00:00:00:00:0b", "02:00:00:00:00:0a"

PRIMARY = Eni(
    mac=PRIMARY_MAC,
    eni_id="eni-0123456789abcdef0",
    device_number=0,
    network_card=0,
    owner_id="123456789012",
    subnet_id="subnet-0a",
    security_group_ids=("sg-0a",),
    ipv4s=(IPv4Address("10.0.0.4"),),
    ipv6s=None,
    ipv4_prefixes=(IPv4Network("10.0.1.16/28"),),
    ipv6_prefixes=None,
    subnet_ipv4_cidr=IPv4Network("10.0.0.0/20"),
    subnet_ipv6_cidrs=None,
    vpc_ipv4_cidrs=(IPv4Network("10.0.0.0/8"),),
    vpc_ipv6_cidrs=None,
)
SECONDARY = replace(
    PRIMARY,
    mac=SECONDARY_MAC,
    eni_id="eni-0123456789abcdef1",
    device_number=2,
    ipv4s=(IPv4Address("10.1.0.9"), IPv4Address("10.1.0.10")),
    ipv6s=(IPv6Address("2001:db8:1::9"),),
    ipv4_prefixes=(IPv4Network("10.1.1.16/28"),),
    ipv6_prefixes=(IPv6Network("2001:db8:1:0:1::/80"),),
    subnet_ipv4_cidr=IPv4Network("10.1.0.0/20"),
    subnet_ipv6_cidrs=(IPv6Network("2001:db8:1::/64"),),
)
ETH0 = Link(2, "eth0", PRIMARY_MAC, PRIMARY_MAC, None, up=True, mtu=9001, largest_mtu=None, altnames=frozenset())
ETH1 = replace(ETH0, index=3, name="eth1", mac=SECONDARY_MAC, permanent_mac=None, up=False, mtu=1500)


def interface(eni: Eni = SECONDARY, link: Link | None = ETH1, **more: Any) -> Interface:
    is_primary = eni.mac == PRIMARY_MAC
    return Interface(eni, link, **{"primary": is_primary, "role": "node+pod" if is_primary else "pod", **more})


def target(eni: Eni = SECONDARY, link: Link | None = ETH1, claim: Claim = NOTHING, **more: Any) -> Target:
    found = interface(eni, link)
    return Target(found, **{"holding": holding(found), "claim": claim, "firm": True, **more})
