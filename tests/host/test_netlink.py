"""Links of a real kernel, in a namespace with veths."""

import os
import select
from collections.abc import Iterator

import pytest

from agent.host.netlink import LinkNews, Netlink
from agent.rtnl import AddAltname, Failure, Link, SetMtu, SetUp
from world import namespaces
from world.processes import run

pytestmark = [pytest.mark.netns, pytest.mark.usefixtures("name")]

MAC = "02:00:00:00:00:0a"


@pytest.fixture
def name() -> Iterator[str]:
    name = f"natest-{os.getpid()}"
    namespaces.make(name)
    try:
        run(["ip", "-n", name, "link", "add", "eth1", "address", MAC, "type", "veth", "peer", "name", "far1"])
        with namespaces.entered(name):
            yield name
    finally:
        namespaces.delete(name)


def link_of(kernel: Netlink, name: str) -> Link:
    (found,) = (link for link in kernel.links() if link.name == name)
    return found


def test_a_link_is_read_changed_and_read_again() -> None:
    with Netlink() as kernel:
        before = link_of(kernel, "eth1")
        assert (before.mac, before.permanent_mac, before.kind) == (MAC, None, "veth")
        assert (before.up, before.mtu, before.altnames) == (False, 1500, frozenset())
        changes = [
            SetMtu(before.index, 9001),
            SetUp(before.index),
            AddAltname(before.index, "eni-0a"),
            AddAltname(before.index, "device-number-1"),
        ]
        assert kernel.apply(changes) == ()
        after = link_of(kernel, "eth1")
        assert (after.up, after.mtu, after.altnames) == (True, 9001, frozenset({"eni-0a", "device-number-1"}))
        assert link_of(kernel, "lo").kind is None


def test_what_the_kernel_refuses_is_told() -> None:
    with Netlink() as kernel:
        near, far = link_of(kernel, "eth1").index, link_of(kernel, "far1").index
        refused = [AddAltname(near, "far1"), SetMtu(near, 10_000_000)]
        assert kernel.apply([refused[0], SetUp(far), refused[1]]) == (
            Failure(refused[0], "File exists"),
            Failure(refused[1], "Invalid argument"),
        )
        assert link_of(kernel, "far1").up, "one failure holds up nothing else"


def test_a_link_that_has_gone_is_no_failure() -> None:
    with Netlink() as kernel:
        assert kernel.apply([SetUp(4711), SetMtu(4711, 1500), AddAltname(4711, "eni-0a")]) == ()


def test_news_comes_with_each_change_and_only_then(name: str) -> None:
    with LinkNews() as news:
        assert not news.drain()
        run(["ip", "-n", name, "link", "set", "eth1", "name", "ens6"])
        assert select.select([news], [], [], 5.0)[0]
        assert news.drain()
        assert not news.drain()


def test_more_news_than_the_socket_holds_is_news() -> None:
    with LinkNews() as news, Netlink() as kernel:
        index = link_of(kernel, "eth1").index
        for number in range(400):
            kernel.apply([SetMtu(index, 1400 + number % 2)])
        assert news.drain()
        assert not news.drain()
