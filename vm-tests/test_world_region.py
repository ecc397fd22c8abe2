"""The simulated VPC treats packets as EC2's does; nodes are played by network namespaces."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator

import pytest

import played
from world import namespaces, ownership, pki, sts
from world.ownership import Home
from world.processes import run
from world.region import Region, Resident

pytestmark = pytest.mark.netns

CONTROL_PLANE = "10.0.0.10"
ENDPOINTS = ["169.254.169.254", "fd00:ec2::254"]
FOREIGN = "10.0.7.7"


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    home = ownership.claim()
    yield home
    ownership.release(home)


@pytest.fixture(scope="module")
def region(home: Home) -> Iterator[Region]:
    with Region(home, pki.authority("public").server("sts", names=[sts.HOST])) as region:
        yield region


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


def test_only_own_addresses_may_send(home: Home, region: Region, node: Resident) -> None:
    host, control = home.namespace("host"), home.namespace("control")
    namespaces.make(control)
    region.vpc.attach(control, CONTROL_PLANE)
    _ip(host, f"address add {FOREIGN}/32 dev eth0")
    with namespaces.entered(control), socket.create_server((CONTROL_PLANE, 443)):
        before = region.vpc.refused(node.primary)
        _connect(host, str(node.primary.addresses[0]))
        assert region.vpc.refused(node.primary) == before
        with pytest.raises(OSError, match=r"timed out|No route to host"):
            _connect(host, FOREIGN)
        assert region.vpc.refused(node.primary) > before


def _connect(netns: str, source: str) -> None:
    with namespaces.entered(netns):
        socket.create_connection((CONTROL_PLANE, 443), timeout=2, source_address=(source, 0)).close()
