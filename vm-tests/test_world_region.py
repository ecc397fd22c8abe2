"""The simulated VPC treats packets as EC2's does; nodes are played by network namespaces."""

from __future__ import annotations

import http.client
import socket

import pytest

import played
from world import namespaces
from world.listener import listen
from world.machines import interface_path
from world.ownership import Home
from world.processes import run
from world.region import Region, Resident

pytestmark = pytest.mark.netns

CONTROL_PLANE, CONTROL_PLANE6 = "10.0.0.10", "2001:db8:ec2::10"
ENDPOINTS = ["169.254.169.254", "fd00:ec2::254"]
FOREIGN = "10.0.7.7"


@pytest.fixture(scope="module")
def node(home: Home, region: Region) -> Resident:
    """Let a namespace be an instance, and another one a pod behind it."""
    resident = region.create()
    host, pod = home.namespace("host"), home.namespace("pod")
    namespaces.make(host)
    namespaces.make(pod)
    played.plug(region, host, resident.primary)
    played.forward(host, pod)
    return resident


def _ip(netns: str, words: str) -> None:
    run(["ip", "-n", netns, *words.split()])


def _token(netns: str, endpoint: str) -> int:
    with namespaces.entered(netns):
        connection = http.client.HTTPConnection(endpoint, 80, timeout=2)
        connection.connect()
    try:
        connection.request("PUT", "/latest/api/token", headers={"X-aws-ec2-metadata-token-ttl-seconds": "60"})
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_a_token_travels_as_many_hops_as_the_limit_says(home: Home, node: Resident, endpoint: str) -> None:
    node.metadata.hop_limit = 1
    assert _token(home.namespace("host"), endpoint) == 200
    with pytest.raises(TimeoutError):
        _token(home.namespace("pod"), endpoint)
    node.metadata.hop_limit = 2
    assert _token(home.namespace("host"), endpoint) == 200
    assert _token(home.namespace("pod"), endpoint) == 200


@pytest.fixture(scope="module")
def control(home: Home, region: Region) -> str:
    """A machine of the control plane in the same subnet."""
    name = home.namespace("control")
    namespaces.make(name)
    region.vpc.attach(name, CONTROL_PLANE, CONTROL_PLANE6)
    return name


def test_only_own_addresses_may_send(home: Home, region: Region, node: Resident, control: str) -> None:
    host = home.namespace("host")
    _ip(host, f"address add {FOREIGN}/32 dev eth0")
    with namespaces.entered(control), socket.create_server((CONTROL_PLANE, 443)):
        before, passed = region.vpc.refused(node.primary), region.vpc.passed(node.primary)
        _connect(host, str(node.primary.addresses[0]))
        assert region.vpc.refused(node.primary) == before
        assert region.vpc.passed(node.primary) > passed
        with pytest.raises(OSError, match=r"timed out|No route to host"):
            _connect(host, FOREIGN)
        assert region.vpc.refused(node.primary) > before


def test_a_prefix_is_delivered_as_long_as_the_interface_has_it(
    home: Home, region: Region, node: Resident, control: str
) -> None:
    host, before = home.namespace("host"), node.primary
    delegated = before.delegate(prefixes=1, prefixes6=1)
    addresses = [str(prefix[5]) for prefix in (*delegated.prefixes, *delegated.prefixes6)]
    for address in addresses:
        _ip(host, f"address add {address} dev eth0" + (" nodad" if ":" in address else ""))
    region.change(node, delegated)
    assert node.metadata.read(f"{interface_path(before)}/ipv6-prefix") == str(delegated.prefixes6[0]).encode()
    for address in addresses:
        _visit(control, host, address)
    region.change(node, before)
    assert node.metadata.read(f"{interface_path(before)}/ipv6-prefix") is None
    for address in addresses:
        with pytest.raises(OSError, match=r"timed out|No route to host|unreachable"):
            _visit(control, host, address)


def _visit(netns: str, host: str, address: str) -> None:
    with namespaces.entered(host):
        listening = listen(address)
    with listening, namespaces.entered(netns):
        socket.create_connection(listening.getsockname()[:2], timeout=2).close()


def _connect(netns: str, source: str) -> None:
    with namespaces.entered(netns):
        socket.create_connection((CONTROL_PLANE, 443), timeout=2, source_address=(source, 0)).close()
