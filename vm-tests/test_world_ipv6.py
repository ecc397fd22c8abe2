"""A cluster of IPv6: its API server, Services and nodes have no other addresses."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from cluster_ground import NODE, Ground, initialized, node_object, standing
from world.facts import SERVICES6
from world.waiting import until

pytestmark = pytest.mark.netns
API = "2001:db8:ec2::10"
OWN = replace(NODE, addresses=("2001:db8:ec2::64",))


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with standing(tmp_path_factory.mktemp("cluster"), api=API, s3="2001:db8:ec2::11", node=OWN) as made:
        yield made


def test_the_api_server_is_reached_over_ipv6_by_its_name(ground: Ground) -> None:
    endpoints = json.loads(ground.cluster.kubectl("get", "endpointslices", "kubernetes", "-o", "json"))
    assert endpoints["addressType"] == "IPv6"
    assert endpoints["endpoints"][0]["addresses"] == [API]
    assert f"system:node:{OWN.instance_id}" in ground.as_node("auth", "whoami", "-o", "json")


def test_services_have_ipv6_addresses_and_user_data_the_dns_of_theirs(ground: Ground) -> None:
    service = json.loads(ground.cluster.kubectl("get", "service", "kubernetes", "-o", "json"))
    assert service["spec"]["clusterIP"] == SERVICES6.kubernetes
    dns = tomllib.loads(ground.cluster.user_data())["settings"]["kubernetes"]["cluster-dns-ip"]
    assert ip_address(dns) == ip_network(SERVICES6.network)[10]


def test_a_node_gets_its_ipv6_address(ground: Ground) -> None:
    ground.as_node("create", "-f", "-", stdin=node_object(OWN))
    node = until(lambda: initialized(ground, OWN), 10, "the cloud controller lifts the taint")
    internal = [each["address"] for each in node["status"]["addresses"] if each["type"] == "InternalIP"]
    assert internal == list(OWN.addresses)


def test_an_object_is_put_over_ipv6(ground: Ground) -> None:
    assert ground.put(ground.cluster.s3.presign_put("six"), b"bundle")[0] == 200
    assert ground.cluster.s3.object("six") == b"bundle"
