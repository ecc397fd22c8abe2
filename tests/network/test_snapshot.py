"""What is published of the ENIs, and what a pass reports."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from network.values import ETH0, ETH1, PRIMARY, PRIMARY_MAC, SECONDARY, SECONDARY_MAC, pair

from agent.eni import EniTree
from agent.model import Unknown
from agent.network import report, snapshot
from agent.network.desired import Interface
from agent.network.report import Report
from agent.network.snapshot import Snapshot
from agent.rtnl import AddAltname, Failure

LATE = Unknown("late")
DONE = replace(ETH1, up=True, mtu=9001)
REFUSED = Failure(AddAltname(3, "device-number-2.1"), "File exists")


def built(interfaces: Sequence[Interface], previous: Snapshot | None = None, boot: str = "boot-1") -> dict[str, Any]:
    found = snapshot.build(interfaces, (), boot, previous)
    assert found is not None
    body: dict[str, Any] = json.loads(snapshot.as_json(found))
    return body


def told(**secondary: Any) -> Report:
    tree = EniTree(PRIMARY_MAC, (SECONDARY, PRIMARY))
    return report.build(tree, pair(ETH0, DONE, **secondary), (), ())


def test_everything_that_is_known() -> None:
    body = built(pair(ETH0, DONE))
    assert {key: value for key, value in body.items() if key != "enis"} == {
        "schemaVersion": 1,
        "generation": 1,
        "bootId": "boot-1",
        "primaryIP": "10.0.0.4",
        "vpcCidrs4": ["10.0.0.0/16"],
        "vpcCidrs6": [],
    }
    assert body["enis"][0] == {
        "eniId": "eni-0123456789abcdef0",
        "mac": PRIMARY_MAC,
        "primary": True,
        "deviceNumber": 0,
        "networkCard": None,
        "ifname": "eth0",
        "ifindex": 2,
        "altnames": ["device-number-0", "eni-0123456789abcdef0"],
        "mtu": 9001,
        "ownerId": "123456789012",
        "subnetId": "subnet-0aa",
        "securityGroupIds": ["sg-0a"],
        "subnetCidr4": "10.0.0.0/20",
        "subnetCidrs6": [],
        "eniIPv4": "10.0.0.4",
        "eniIPv6": None,
        "secondaryIPv4s": ["10.0.0.5"],
        "prefixes4": ["10.0.1.16/28"],
        "prefixes6": [],
        "state": "ready",
        "reason": None,
    }


def test_the_generation_grows_with_changes_only() -> None:
    first = built(pair(ETH0, DONE))
    assert built(pair(ETH0, DONE), first) == first
    assert built(pair(ETH0, ETH1), first)["generation"] == 2


def test_what_is_unknown_is_told_as_before() -> None:
    first = built(pair(ETH0, DONE))
    unknown = dict.fromkeys(("eni_id", "ipv4s", "ipv4_prefixes", "subnet_ipv4_cidr", "device_number"), LATE)
    second = built(pair(ETH0, DONE, primary=replace(PRIMARY, **unknown), **unknown), first)
    changed = {"state": "metadata-pending", "reason": "late"}
    assert {entry["mac"]: entry for entry in second["enis"]} == {
        entry["mac"]: {**entry, **changed} for entry in first["enis"]
    }
    assert second["primaryIP"] == "10.0.0.4"


def test_an_earlier_boot_is_forgotten() -> None:
    first = built(pair(ETH0, DONE))
    second = built(pair(ETH0, DONE, eni_id=LATE), first, "boot-2")
    assert second["generation"] == 1
    assert [entry["eniId"] for entry in second["enis"] if entry["mac"] == SECONDARY_MAC] == [None]


def test_nothing_is_published_where_the_enis_are_unknown() -> None:
    assert snapshot.build((), (), "boot-1", built(pair(ETH0))) is None


def test_an_unknown_primary_leaves_the_vpc_as_it_was() -> None:
    first = built(pair(ETH0, DONE))
    unsure = [replace(each, primary=LATE) for each in pair(ETH0, DONE)]
    second = built(unsure, first)
    assert (second["primaryIP"], second["vpcCidrs4"]) == ("10.0.0.4", ["10.0.0.0/16"])
    assert [entry["primary"] for entry in second["enis"]] == [True, False]


def test_states() -> None:
    _, secondary = pair(ETH0, DONE)
    assert snapshot.state(secondary, ()) == ("ready", None)
    assert snapshot.state(secondary, (REFUSED,)) == ("degraded", "cannot name link 3 device-number-2.1: File exists")
    assert snapshot.state(pair(ETH0)[1], ()) == ("link-missing", f"no link has the MAC {SECONDARY_MAC}")
    assert snapshot.state(pair(ETH0, DONE, ipv6s=LATE)[1], ()) == ("metadata-pending", "late")
    assert snapshot.state(pair(ETH0, ipv4s=None)[1], ()) == ("ignored", None)


def test_a_report_of_all_being_well() -> None:
    assert told() == Report(
        "ok", "2 network interfaces ready", pending=False, interfaces={PRIMARY_MAC: "ready", SECONDARY_MAC: "ready"}
    )
    (only,) = pair(ETH0)[:1]
    assert report.build(EniTree(PRIMARY_MAC, (PRIMARY,)), [only], (), ()).message == "1 network interface ready"


def test_a_report_of_something_missing() -> None:
    found = told(ipv6s=LATE)
    assert (found.state, found.message, found.pending) == ("degraded", "late", True)
    assert found.interfaces[SECONDARY_MAC] == "metadata-pending: late"


def test_a_report_of_a_sysctl_that_was_refused() -> None:
    found = report.build(EniTree(PRIMARY_MAC, (PRIMARY,)), pair(ETH0)[:1], (), ["cannot set x"])
    assert (found.state, found.message, found.pending) == ("degraded", "cannot set x", False)


def test_a_report_of_pods_that_nobody_reaches() -> None:
    bare = replace(PRIMARY, ipv4_prefixes=None)
    found = report.build(EniTree(PRIMARY_MAC, (bare,)), pair(ETH0, primary=bare)[:1], (), ())
    assert found.state == "degraded"
    assert "no prefix" in found.message


def test_a_report_of_imds_not_answering() -> None:
    assert report.build(EniTree(LATE, LATE), (), (), ()) == Report("waiting", "late", pending=True, interfaces={})
    assert report.build(EniTree(LATE, (PRIMARY,)), (), (), ()).state == "waiting"
