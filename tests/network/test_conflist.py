"""The CNI configuration follows the primary's prefixes, and stays where they are unknown."""

import json
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

import pytest
from network.values import ETH0, PRIMARY, pair

from agent.model import Unknown
from agent.network import conflist


def ptp(**primary: Any) -> dict[str, Any]:
    file = conflist.render(pair(replace(ETH0, mtu=8900), primary=replace(PRIMARY, **primary)))
    assert file is not None
    assert (file.path, file.mode) == ("/etc/cni/net.d/10-node-agent.conflist", 0o644)
    body = json.loads(file.content)
    assert [plugin["type"] for plugin in body["plugins"]] == ["ptp", "portmap"]
    plugin: dict[str, Any] = body["plugins"][0]
    return plugin


def test_pods_get_addresses_of_every_prefix() -> None:
    plugin = ptp(ipv4_prefixes=(IPv4Network("10.0.1.16/28"), IPv4Network("10.0.2.0/28")))
    assert plugin == {
        "type": "ptp",
        "mtu": 8900,
        "ipMasq": False,
        "ipam": {
            "type": "host-local",
            "ranges": [
                [
                    {
                        "subnet": "10.0.1.16/28",
                        "gateway": "10.0.1.16",
                        "rangeStart": "10.0.1.17",
                        "rangeEnd": "10.0.1.31",
                    },
                    {"subnet": "10.0.2.0/28", "gateway": "10.0.2.0", "rangeStart": "10.0.2.1", "rangeEnd": "10.0.2.15"},
                ]
            ],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }


def test_an_ipv6_node_offers_its_ipv6_prefix_only() -> None:
    plugin = ptp(ipv4_prefixes=None, ipv6_prefixes=(IPv6Network("2001:db8::/80"),))
    assert plugin["ipam"]["ranges"] == [[{"subnet": "2001:db8::/80"}]]
    assert plugin["ipam"]["routes"] == [{"dst": "::/0"}]


def test_without_a_prefix_pods_are_behind_the_node() -> None:
    plugin = ptp(ipv4_prefixes=None)
    assert plugin["ipMasq"] is True
    (offered,) = plugin["ipam"]["ranges"][0]
    network = ip_network(offered["subnet"])
    # The API server takes none of these in an EndpointSlice.
    assert not network.is_link_local
    assert not network.is_loopback
    assert not network.is_multicast
    assert ip_address(offered["gateway"]) in network


@pytest.mark.parametrize("key", ["ipv4_prefixes", "ipv6_prefixes"])
def test_what_is_unknown_changes_nothing(key: str) -> None:
    interfaces = pair(ETH0, primary=replace(PRIMARY, **{key: Unknown("late")}))
    assert conflist.render(interfaces) is None
    assert conflist.is_routable(interfaces) == Unknown("late")


def test_without_the_primary_or_its_link_there_is_nothing_to_say() -> None:
    assert conflist.render(()) is None
    assert isinstance(conflist.is_routable(()), Unknown)
    assert conflist.render(pair()) is None


def test_routable() -> None:
    assert conflist.is_routable(pair(ETH0)) is True
    assert conflist.is_routable(pair(ETH0, primary=replace(PRIMARY, ipv4_prefixes=None))) is False
