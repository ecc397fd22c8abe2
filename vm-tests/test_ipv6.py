"""A node of an IPv6 cluster: it registers under its IPv6 address and the cluster reaches it there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

import guest
import pods
from world import World, join, oci
from world.facts import SERVICES6
from world.node import Node
from world.waiting import until

pytestmark = [pytest.mark.vm, pytest.mark.full]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World(ipv6=True) as made:
        yield made


@pytest.fixture(scope="module")
def node(world: World) -> Node:
    """A node whose cluster's family is told by the network of its Services, as EKS's NodeConfig does."""
    registry = world.outside.registry
    trust = join.bundle("corp", registry.certificate)
    parts = [(join.NODE_CONFIG, world.cluster.join.node_config()), (join.TOML, f"{registry.login}\n{trust}")]
    made = world.launch(join.mime(parts))
    made.wait_ready()
    return made


@pytest.fixture(scope="module")
def joined(world: World, node: Node) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(world.kubectl("get", "node", node.instance_id, "-o", "json"))
    return found


def test_it_has_its_ipv6_address_alone(node: Node, joined: dict[str, Any]) -> None:
    internal = [each["address"] for each in joined["status"]["addresses"] if each["type"] == "InternalIP"]
    assert internal == [str(node.primary.addresses6[0])]


def test_the_clusters_dns_follows_from_its_services(node: Node) -> None:
    config = json.loads(guest.run(node, "cat /etc/kubernetes/kubelet/config.json"))
    assert [ip_address(each) for each in config["clusterDNS"]] == [ip_network(SERVICES6.network)[10]]


def test_the_api_server_reaches_its_kubelet(world: World, node: Node) -> None:
    assert world.kubectl("get", "--raw", f"/api/v1/nodes/{node.instance_id}/proxy/healthz") == "ok"


def test_a_pod_has_an_address_of_the_nodes_prefix_and_answers(world: World, node: Node) -> None:
    pods.run(world, node, "six", world.outside.image)
    try:
        address = pods.wait_running(world, "six")
        assert any(ip_address(address) in prefix for prefix in node.primary.prefixes6)
        assert pods.fetch(world, address) == oci.PAGE
    finally:
        pods.delete(world, "six")


def test_doctor_finds_nothing_wrong(node: Node) -> None:
    # A name is waited for 2 s, which a busy machine's resolver misses now and then.
    until(lambda: guest.headline(node) is None, 300, "the doctor finds nothing wrong")


def test_no_unit_has_failed(node: Node) -> None:
    assert guest.run(node, "systemctl --failed --no-legend --plain") == ""
