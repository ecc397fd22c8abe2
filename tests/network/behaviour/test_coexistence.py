"""The open-source VPC CNI on the same host: the same numbers are taken over, and where it runs nothing is written."""

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from network.behaviour import kernel
from network.behaviour.card import Card
from network.behaviour.ground import Ground, ground, running

from world import namespaces

pytestmark = pytest.mark.netns

PRIMARY, OTHER = Card(0, ipv6=False), Card(1, ipv6=False)
IPAMD = ("127.0.0.1", 61679)
POD = "10.1.0.120"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Ground]:
    """A node that the VPC CNI has configured, with one pod on the secondary ENI."""
    with ground(tmp_path, PRIMARY, OTHER) as made:
        made.batch(
            "link set dev eth1 mtu 9001 up",
            f"address add {OTHER.address4}/20 dev eth1",
            f"route del {OTHER.subnet4} dev eth1",
            f"route add {OTHER.gateway4} dev eth1 scope link table 2",
            f"route add default via {OTHER.gateway4} dev eth1 table 2",
            "rule add priority 1024 fwmark 0x80/0x80 lookup main",
            f"rule add priority 32765 from {OTHER.address4} lookup 2",
            "link add name enipod type veth peer name podend",
            "link set dev enipod up",
            f"route add {POD} dev enipod scope link",
            f"rule add priority 512 to {POD} lookup main",
            f"rule add priority 1536 from {POD} lookup 2",
        )
        yield made


def test_its_objects_are_taken_over_without_a_gap(node: Ground) -> None:
    before = {*kernel.rules(node.name), *kernel.routes(node.name)}
    node.news.take()
    with running(node) as daemon:
        node.wait_until(lambda: node.entry(OTHER).get("state") == "ready", "the secondary is ready")
        assert [str(event) for event in daemon.wrote(node.news.take()) if event.removes] == []
        after = [*kernel.rules(node.name), *kernel.routes(node.name)]
        assert before <= set(after)
        without_protocol = [line.rpartition(" proto ")[0] for line in after]
        assert sorted(set(without_protocol)) == sorted(without_protocol), "nothing stands twice"
        assert "4 table 2 unreachable default metric 4278198272" in without_protocol
        assert kernel.addresses(node.name, "eth1") == {f"{OTHER.address4}/20"}


@contextlib.contextmanager
def ipamd(node: Ground) -> Iterator[None]:
    with namespaces.entered(node.name):
        listening = socket.create_server(IPAMD)
    with listening:
        yield


def test_where_it_runs_nothing_is_written(node: Ground) -> None:
    with ipamd(node):
        node.news.settle()
        with running(node) as daemon:
            node.wait_until(lambda: node.entry(OTHER).get("ifname"), "the ENIs are published")
            node.wait_until(lambda: "read-only" in node.status()["message"], "it says so")
            node.batch(f"rule del priority 32765 from {OTHER.address4}")
            daemon.kick()
            node.wait_for_reads(OTHER.folder, 6)
            assert daemon.wrote(node.news.take()) == []
            assert node.conflist() is None
