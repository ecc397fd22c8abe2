"""ENIs and links for the tests of the network room."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from agent.eni import Eni, EniTree
from agent.network import desired
from agent.network.desired import Interface
from agent.rtnl import Link

PRIMARY_MAC = "02:00:00:00:00:0b"
SECONDARY_MAC = "02:00:00:00:00:0a"

PRIMARY = Eni(
    mac=PRIMARY_MAC,
    eni_id="eni-0123456789abcdef0",
    device_number=0,
    network_card=None,
    owner_id="123456789012",
    subnet_id="subnet-0aa",
    vpc_id="vpc-0aa",
    security_group_ids=("sg-0a",),
    ipv4s=(IPv4Address("10.0.0.4"), IPv4Address("10.0.0.5")),
    ipv6s=None,
    ipv4_prefixes=(IPv4Network("10.0.1.16/28"),),
    ipv6_prefixes=None,
    subnet_ipv4_cidr=IPv4Network("10.0.0.0/20"),
    subnet_ipv6_cidrs=None,
    vpc_ipv4_cidrs=(IPv4Network("10.0.0.0/16"),),
    vpc_ipv6_cidrs=None,
)
SECONDARY = replace(
    PRIMARY,
    mac=SECONDARY_MAC,
    eni_id="eni-0123456789abcdef1",
    device_number=2,
    network_card=1,
    ipv4s=(IPv4Address("10.0.0.9"),),
    ipv4_prefixes=None,
)
ETH0 = Link(
    index=2,
    name="eth0",
    mac=PRIMARY_MAC,
    permanent_mac=PRIMARY_MAC,
    kind=None,
    up=True,
    mtu=9001,
    largest_mtu=None,
    altnames=frozenset({"eni-0123456789abcdef0", "device-number-0"}),
)
ETH1 = replace(
    ETH0,
    index=3,
    name="eth1",
    mac=SECONDARY_MAC,
    permanent_mac=None,
    up=False,
    mtu=1500,
    altnames=frozenset({"enp1s0"}),
)


def pair(*links: Link, primary: Eni = PRIMARY, **secondary: Any) -> tuple[Interface, ...]:
    """Pair the primary and the secondary, changed as told, with the links."""
    return desired.interfaces(EniTree(PRIMARY_MAC, (replace(SECONDARY, **secondary), primary)), links)
