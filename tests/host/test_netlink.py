"""A real kernel's links, addresses, routes and rules, in a namespace with veths."""

import contextlib
import json
import os
import select
import socket
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

import pytest

from agent.errors import TemporaryError
from agent.host.netlink import Netlink, News
from agent.rtnl import (
    MAIN_TABLE,
    AddAltname,
    Address,
    AddRule,
    Change,
    Failure,
    Link,
    PutAddress,
    PutRoute,
    RemoveAddress,
    RemoveRoute,
    RemoveRule,
    Route,
    Rule,
    SetMtu,
    SetUp,
)
from world import namespaces
from world.processes import run

pytestmark = [pytest.mark.netns, pytest.mark.usefixtures("name")]

MAC = "02:00:00:00:00:0a"
LAST = 0xFF000000


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


@pytest.fixture
def kernel() -> Iterator[Netlink]:
    with Netlink() as made:
        yield made


def link_of(kernel: Netlink, name: str) -> Link:
    (found,) = (link for link in kernel.links() if link.name == name)
    return found


def ip(namespace: str, *words: str) -> Any:
    return json.loads(run(["ip", "-j", "-d", "-n", namespace, *words]) or "[]")


def test_a_link_is_read_changed_and_read_again(kernel: Netlink) -> None:
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
    assert not after.carrier
    kernel.apply([SetUp(link_of(kernel, "far1").index)])
    assert link_of(kernel, "eth1").carrier
    assert link_of(kernel, "lo").kind is None


@pytest.mark.parametrize(
    ("own", "gateway", "default"),
    [("10.0.0.9/32", "10.0.0.1", "0.0.0.0/0"), ("2001:db8::9/128", "fe80:ec2::1", "::/0")],
    ids=["IPv4", "IPv6"],
)
def test_addresses_and_routes_are_put_read_and_removed(
    name: str, kernel: Netlink, own: str, gateway: str, default: str
) -> None:
    index = link_of(kernel, "eth1").index
    metric = 0 if "." in own else 1024
    address = Address(index, ip_interface(own))
    routes = [
        Route(2, ip_network(gateway), index, metric=metric),
        Route(2, ip_network(default), index, ip_address(gateway), metric),
        Route(2, ip_network(default), metric=LAST, unreachable=True),
        Route(10100, ip_network(default), metric=LAST, unreachable=True),
    ]
    assert kernel.apply([SetUp(index), PutAddress(address), *map(PutRoute, routes)]) == ()
    found = kernel.state([index])
    assert address in found.addresses
    assert set(found.routes) == set(routes)
    family = "-4" if "." in own else "-6"
    told = {
        (route["dst"], route.get("gateway"), route["type"]) for route in ip(name, family, "route", "show", "table", "2")
    }
    assert told == {(gateway, None, "unicast"), ("default", gateway, "unicast"), ("default", None, "unreachable")}
    assert own.partition("/")[0] not in str(ip(name, family, "route", "show", "table", "main")), (
        "main gets no route of it"
    )
    assert kernel.apply([*map(PutRoute, routes), PutAddress(address)]) == (), "to put it twice is no failure"
    assert kernel.apply([*map(RemoveRoute, routes), RemoveAddress(address)]) == ()
    assert not kernel.state([index]).routes
    assert address not in kernel.state([index]).addresses
    gone: list[Change] = [*map(RemoveRoute, routes), RemoveAddress(address)]
    assert kernel.apply(gone) == (), "nothing is left to remove"


def test_an_ipv6_address_can_be_used_at_once(kernel: Netlink) -> None:
    near, far = link_of(kernel, "eth1").index, link_of(kernel, "far1").index
    address = Address(near, ip_interface("2001:db8::9/128"))
    kernel.apply([SetUp(near), SetUp(far), PutAddress(address)])
    assert "tentative" not in run(["ip", "-6", "address", "show", "dev", "eth1", "to", "2001:db8::9"])


def test_an_address_with_a_lifetime_is_made_to_last(name: str, kernel: Netlink) -> None:
    index = link_of(kernel, "eth1").index
    run(["ip", "-n", name, "address", "add", "10.0.0.9/32", "dev", "eth1", "valid_lft", "600", "preferred_lft", "600"])
    (found,) = kernel.state([index]).addresses
    assert found == Address(index, ip_interface("10.0.0.9/32"), lasting=False)
    assert kernel.apply([PutAddress(found)]) == ()
    assert kernel.state([index]).addresses == (replace(found, lasting=True),)


RULES = [
    Rule(4, 512, MAIN_TABLE, dst=ip_network("10.0.1.16/28")),
    Rule(4, 1024, MAIN_TABLE, mark=0x80, mask=0x80),
    Rule(4, 1536, 10100, src=ip_network("10.0.1.16/28")),
    Rule(6, 32765, 2, src=ip_network("2001:db8::9/128")),
]


def test_rules_are_added_read_and_removed(name: str, kernel: Netlink) -> None:
    assert kernel.apply([AddRule(rule) for rule in RULES]) == ()
    assert kernel.apply([AddRule(rule) for rule in RULES]) == (), "it is there already"
    assert set(RULES) <= set(kernel.state([]).rules)
    assert {rule.get("protocol") for rule in ip(name, "rule")} == {"kernel"}
    assert kernel.apply([RemoveRule(rule) for rule in RULES]) == ()
    assert not set(RULES) & set(kernel.state([]).rules)
    assert kernel.apply([RemoveRule(rule) for rule in RULES]) == (), "nothing is left to remove"


def test_of_two_rules_that_differ_in_one_thing_only_that_one_is_removed(kernel: Netlink) -> None:
    ours = RULES[2]
    others = [replace(ours, table=9), replace(ours, protocol=3), replace(ours, priority=1537)]
    kernel.apply([AddRule(rule) for rule in (*others, ours)])
    kernel.apply([RemoveRule(ours)])
    left = set(kernel.state([]).rules)
    assert set(others) <= left
    assert ours not in left


@pytest.mark.parametrize(
    "more",
    [["iif", "eth1"], ["oif", "eth1"], ["tos", "0x10"], ["not"], ["ipproto", "tcp"], ["suppress_prefixlength", "0"]],
)
def test_a_rule_that_selects_by_more_is_told_apart(name: str, kernel: Netlink, more: list[str]) -> None:
    words = ["from", "10.0.1.16/28", "lookup", "2", "priority", "1536"]
    words = [*more, *words] if more == ["not"] else [*words[:2], *more, *words[2:]]
    run(["ip", "-n", name, "rule", "add", *words])
    (found,) = (rule for rule in kernel.state([]).rules if rule.priority == 1536)
    assert not found.plain


def test_only_routes_of_interest_are_read(name: str, kernel: Netlink) -> None:
    index = link_of(kernel, "eth1").index
    run(["ip", "-n", name, "link", "set", "eth1", "up"])
    for metric, protocol in (("101", "boot"), ("102", "static"), ("103", "dhcp"), ("104", "157")):
        run(["ip", "-n", name, "route", "add", "198.51.100.0/24", "dev", "eth1", "metric", metric, "proto", protocol])
    assert {route.protocol for route in kernel.state([index]).routes if route.dst.version == 4} == {3, 4, 16, 157}
    assert {route.protocol for route in kernel.state([index], main=True).main if route.dst.version == 4} == {
        3,
        4,
        16,
        157,
    }


def test_addresses_are_those_of_the_links_asked_for(name: str, kernel: Netlink) -> None:
    run(["ip", "-n", name, "address", "add", "10.0.0.9/32", "dev", "eth1"])
    run(["ip", "-n", name, "address", "add", "10.0.0.10/32", "dev", "far1"])
    near, far = link_of(kernel, "eth1").index, link_of(kernel, "far1").index
    assert [str(found.value.ip) for found in kernel.state([near]).addresses] == ["10.0.0.9"]
    assert kernel.state([4711]).addresses == (), "a link that has gone has none"
    assert {found.index for found in kernel.state([near, far]).addresses} == {near, far}


def test_many_changes_go_through(kernel: Netlink) -> None:
    rules = [Rule(4, 1536, 2, src=ip_network(f"10.{number >> 8}.{number & 255}.0/24")) for number in range(1000)]
    assert kernel.apply([AddRule(rule) for rule in rules]) == ()
    assert set(rules) <= set(kernel.state([]).rules)


def test_what_the_kernel_refuses_is_told(kernel: Netlink) -> None:
    near, far = link_of(kernel, "eth1").index, link_of(kernel, "far1").index
    refused = [AddAltname(near, "far1"), SetMtu(near, 10_000_000)]
    assert kernel.apply([refused[0], SetUp(far), refused[1]]) == (
        Failure(refused[0], "File exists"),
        Failure(refused[1], "Invalid argument"),
    )
    assert link_of(kernel, "far1").up, "one failure holds up nothing else"


def test_a_link_that_has_gone_is_no_failure(kernel: Netlink) -> None:
    address = Address(4711, ip_interface("10.0.0.9/32"))
    assert kernel.apply([SetUp(4711), SetMtu(4711, 1500), AddAltname(4711, "eni-0a"), PutAddress(address)]) == ()


@pytest.mark.parametrize(
    "words",
    [
        ["link", "set", "eth1", "name", "ens6"],
        ["address", "add", "10.0.0.9/32", "dev", "eth1"],
        ["-6", "address", "add", "2001:db8::9/128", "dev", "eth1"],
        ["route", "add", "unreachable", "10.0.1.0/24"],
        ["-6", "route", "add", "unreachable", "2001:db8::/64"],
        ["rule", "add", "from", "10.0.0.9", "lookup", "2"],
        ["-6", "rule", "add", "from", "2001:db8::9", "lookup", "2"],
    ],
    ids=" ".join,
)
def test_news_comes_with_each_change_and_only_then(name: str, words: list[str]) -> None:
    with News() as news:
        assert not news.drain()
        run(["ip", "-n", name, *words])
        assert select.select([news], [], [], 5.0)[0]
        assert news.drain()
        assert not news.drain()


def test_more_news_than_the_socket_holds_is_news(kernel: Netlink) -> None:
    with News() as news:
        index = link_of(kernel, "eth1").index
        for number in range(400):
            kernel.apply([SetMtu(index, 1400 + number % 2)])
        assert news.drain()
        assert not news.drain()


class Interrupted(socket.socket):
    """A socket whose dumps are interrupted: after the first part of one a link comes or goes."""

    left = 0

    def recv_into(self, *words: Any, **more: Any) -> int:
        size = super().recv_into(*words, **more)
        if self.left and size > 1 << 12:  # no answer but a dump's in parts is as long
            self.left -= 1
            run(["ip", "link", *("add name other type veth" if self.left % 2 else "delete dev other").split()])
        return size


@pytest.fixture
def many(name: str) -> set[str]:
    """More links than the kernel tells of in one part."""
    lines = "\n".join(f"link add name a{number} type veth peer name b{number}" for number in range(60)) + "\n"
    run(["ip", "-n", name, "-batch", "-"], stdin=lines)
    return {"lo", "eth1", "far1", *(f"{side}{number}" for side in "ab" for number in range(60))}


@contextlib.contextmanager
def interrupting(times: int) -> Iterator[tuple[Netlink, Interrupted]]:
    made: list[Interrupted] = []

    def connect(*words: int) -> Interrupted:
        made.append(Interrupted(*words))
        return made[0]

    with Netlink(connect) as kernel:
        made[0].left = times
        yield kernel, made[0]


def test_a_dump_that_is_interrupted_is_begun_anew(many: set[str]) -> None:
    with interrupting(4) as (kernel, opened):
        found = [link.name for link in kernel.links()]
        assert opened.left == 0
    assert sorted(found) == sorted(many), "each of them once"


def test_dumps_that_are_interrupted_again_and_again_are_an_error(many: set[str]) -> None:
    with interrupting(1 << 30) as (kernel, opened):
        with pytest.raises(TemporaryError, match="changed while they were read"):
            kernel.links()
        opened.left = 0
        assert {link.name for link in kernel.links()} >= many
