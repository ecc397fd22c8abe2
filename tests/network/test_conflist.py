"""The CNI configuration: all addresses of a prefix but the gateway, and a gateway that is no router."""

import json
from ipaddress import IPv4Network, ip_address, ip_network
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from agent.network import conflist


def ptp(*prefixes: str, routers: tuple[str, ...] = (), masquerade: bool = False) -> dict[str, Any]:
    networks, hosts = [ip_network(each) for each in prefixes], [ip_address(each) for each in routers]
    file = conflist.render(networks, hosts, 8900, masquerade=masquerade)
    assert (file.path, file.mode) == ("/etc/cni/net.d/10-node-agent.conflist", 0o644)
    body = json.loads(file.content)
    assert [plugin["type"] for plugin in body["plugins"]] == ["ptp", "portmap"]
    plugin: dict[str, Any] = body["plugins"][0]
    return plugin


def test_the_prefixes_of_a_family_are_alternatives() -> None:
    plugin = ptp("10.0.1.16/28", "2001:db8::/80", "10.0.2.0/28")
    assert (plugin["mtu"], plugin["ipMasq"]) == (8900, False)
    assert [[offered["subnet"] for offered in family] for family in plugin["ipam"]["ranges"]] == [
        ["10.0.1.16/28", "10.0.2.0/28"],
        ["2001:db8::/80"],
    ]
    assert plugin["ipam"]["routes"] == [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]
    assert plugin["ipam"]["ranges"][0][0] == {
        "subnet": "10.0.1.16/28",
        "gateway": "10.0.1.16",
        "rangeStart": "10.0.1.17",
        "rangeEnd": "10.0.1.31",
    }


@given(st.integers(0, 2**24 - 1), st.sets(st.integers(0, 20), max_size=3))
def test_the_gateway_is_in_the_prefix_and_is_no_subnets_router(number: int, offsets: set[int]) -> None:
    prefix = IPv4Network((10 << 24 | number & ~15, 28))
    routers = tuple(str(prefix[0] + offset) for offset in offsets - {15, 14})
    (offered,) = ptp(str(prefix), routers=routers)["ipam"]["ranges"][0]
    start, end, gateway = (ip_address(offered[key]) for key in ("rangeStart", "rangeEnd", "gateway"))
    assert gateway in prefix
    assert str(gateway) not in routers
    assert not any(start <= ip_address(router) <= end for router in routers)
    assert not start <= gateway <= end


def test_the_node_local_range_is_one_that_the_api_server_takes() -> None:
    network = conflist.NODE_LOCAL
    assert not (network.is_link_local)
    assert not (network.is_loopback)
    assert not (network.is_multicast)
