"""`network plan` for each kind of tree; what must come out is written by hand from the specification of the numbers."""

import json
from pathlib import Path
from typing import Any

import pytest
from network.behaviour.card import MACS

from agent.__main__ import main

Tree = dict[str, str | None]
ANOTHER_ID = "eni-0aaaaaaaaaaaaaaaa"
P, S, T = "02:00:00:00:00:0b", "02:00:00:00:00:0a", "02:00:00:00:00:0c"
ACCOUNT = "123456789012"


def eni(mac: str, number: int, **more: str | None) -> Tree:
    """Return an interface's keys; one that is given as "" is not there, None stands for no answer."""
    values: Tree = {
        "device-number": str(number),
        "interface-id": f"eni-0123456789abcdef{number:x}",
        "mac": mac,
        "owner-id": ACCOUNT,
        "subnet-id": f"subnet-0{number}",
        "vpc-id": "vpc-0a",
        **{key.replace("_", "-"): value for key, value in more.items()},
    }
    return {f"{MACS}/{mac}/{key}": value for key, value in values.items() if value != ""}


def tree(*interfaces: Tree) -> Tree:
    return {"meta-data/mac": P, **{path: body for each in interfaces for path, body in each.items()}}


SUBNET_A = {"subnet_ipv4_cidr_block": "10.0.0.0/20"}
SUBNET_B = {"subnet_ipv4_cidr_block": "10.0.16.0/20"}
PRIMARY = eni(P, 0, local_ipv4s="10.0.0.4", **SUBNET_A)
PRIMARY_PLAN = """
eni eni-0123456789abcdef0 02:00:00:00:00:0b primary device 0 card None role node+pod table 254
 mtu 9001 gateways 10.0.0.1 None
 address 10.0.0.4/32
 rule 4 1024 fwmark 0x80/0x80 table 254
"""
SECONDARY_PLAN = """
eni eni-0123456789abcdef1 02:00:00:00:00:0a secondary device 1 card None role pod table 2
 mtu 9001 gateways 10.0.16.1 None
 address 10.0.16.9/32
 route 4 table 2 10.0.16.1/32 unicast via None scope link metric None
 route 4 table 2 0.0.0.0/0 unicast via 10.0.16.1 scope global metric None
 route 4 table 2 0.0.0.0/0 unreachable via None scope global metric 4278198272
 rule 4 32765 from 10.0.16.9/32 table 2
"""

CASES: dict[str, tuple[Tree, str]] = {
    "the primary, not first in the listing": (
        tree(eni(S, 1, local_ipv4s="10.0.16.9", **SUBNET_B), PRIMARY),
        PRIMARY_PLAN + SECONDARY_PLAN,
    ),
    "IPv4 and IPv6": (
        tree(
            eni(P, 0, local_ipv4s="10.0.0.4", ipv6s="2001:db8:0:a::4", **SUBNET_A),
            eni(S, 1, local_ipv4s="10.0.16.9", ipv6s="2001:db8:0:b::9", **SUBNET_B),
        ),
        """
eni eni-0123456789abcdef0 02:00:00:00:00:0b primary device 0 card None role node+pod table 254
 mtu 9001 gateways 10.0.0.1 fe80:ec2::1
 address 10.0.0.4/32
 address 2001:db8:0:a::4/128
 rule 4 1024 fwmark 0x80/0x80 table 254
 rule 6 1024 fwmark 0x80/0x80 table 254
eni eni-0123456789abcdef1 02:00:00:00:00:0a secondary device 1 card None role pod table 2
 mtu 9001 gateways 10.0.16.1 fe80:ec2::1
 address 10.0.16.9/32
 address 2001:db8:0:b::9/128
 route 4 table 2 10.0.16.1/32 unicast via None scope link metric None
 route 4 table 2 0.0.0.0/0 unicast via 10.0.16.1 scope global metric None
 route 4 table 2 0.0.0.0/0 unreachable via None scope global metric 4278198272
 route 6 table 2 fe80:ec2::1/128 unicast via None scope link metric 1024
 route 6 table 2 ::/0 unicast via fe80:ec2::1 scope global metric 1024
 route 6 table 2 ::/0 unreachable via None scope global metric 4278198272
 rule 4 32765 from 10.0.16.9/32 table 2
 rule 6 32765 from 2001:db8:0:b::9/128 table 2
""",
    ),
    "IPv6 only, in IMDS's long form": (
        tree(
            eni(P, 0, ipv6s="2001:db8:0:a:0:0:0:4", ipv6_prefix="2001:db8:0:a:1:0:0:0/80"),
            eni(S, 1, ipv6s="2001:0db8:0:b:0000:0000:0000:0009", subnet_ipv6_cidr_blocks="2001:db8:0:b:0:0:0:0/64"),
        ),
        """
eni eni-0123456789abcdef0 02:00:00:00:00:0b primary device 0 card None role node+pod table 254
 mtu 9001 gateways None fe80:ec2::1
 address 2001:db8:0:a::4/128
 prefix 2001:db8:0:a:1::/80
 route 6 table 254 2001:db8:0:a:1::/80 unreachable via None scope global metric 1024
 rule 6 512 to 2001:db8:0:a:1::/80 table 254
 rule 6 1024 fwmark 0x80/0x80 table 254
eni eni-0123456789abcdef1 02:00:00:00:00:0a secondary device 1 card None role pod table 2
 mtu 9001 gateways None fe80:ec2::1
 address 2001:db8:0:b::9/128
 route 6 table 2 fe80:ec2::1/128 unicast via None scope link metric 1024
 route 6 table 2 ::/0 unicast via fe80:ec2::1 scope global metric 1024
 route 6 table 2 ::/0 unreachable via None scope global metric 4278198272
 rule 6 32765 from 2001:db8:0:b::9/128 table 2
""",
    ),
    "two network cards": (
        tree(
            eni(P, 0, network_card="0", local_ipv4s="10.0.0.4", **SUBNET_A),
            eni(T, 1, network_card="1", local_ipv4s="10.0.16.10", **SUBNET_B),
            eni(S, 2, network_card="0", local_ipv4s="10.0.16.9", **SUBNET_B),
        ),
        """
eni eni-0123456789abcdef0 02:00:00:00:00:0b primary device 0 card 0 role node+pod table 254
 mtu 9001 gateways 10.0.0.1 None
 address 10.0.0.4/32
 rule 4 1024 fwmark 0x80/0x80 table 254
eni eni-0123456789abcdef2 02:00:00:00:00:0a secondary device 2 card 0 role pod table 3
 mtu 9001 gateways 10.0.16.1 None
 address 10.0.16.9/32
 route 4 table 3 10.0.16.1/32 unicast via None scope link metric None
 route 4 table 3 0.0.0.0/0 unicast via 10.0.16.1 scope global metric None
 route 4 table 3 0.0.0.0/0 unreachable via None scope global metric 4278198272
 rule 4 32765 from 10.0.16.9/32 table 3
eni eni-0123456789abcdef1 02:00:00:00:00:0c secondary device 1 card 1 role pod table 10101
 mtu 9001 gateways 10.0.16.1 None
 address 10.0.16.10/32
 route 4 table 10101 10.0.16.1/32 unicast via None scope link metric None
 route 4 table 10101 0.0.0.0/0 unicast via 10.0.16.1 scope global metric None
 route 4 table 10101 0.0.0.0/0 unreachable via None scope global metric 4278198272
 rule 4 32765 from 10.0.16.10/32 table 10101
""",
    ),
    "device 0 of the second card": (
        tree(
            PRIMARY,
            eni(S, 0, network_card="1", interface_id=ANOTHER_ID, local_ipv4s="10.0.16.9", **SUBNET_B),
        ),
        PRIMARY_PLAN
        + SECONDARY_PLAN.replace("table 2\n", "table 10100\n")
        .replace("table 2 ", "table 10100 ")
        .replace("device 1 card None", "device 0 card 1")
        .replace("eni-0123456789abcdef1", ANOTHER_ID),
    ),
    "a device number whose table would be another's": (
        tree(PRIMARY, eni(S, 99, interface_id=ANOTHER_ID, local_ipv4s="10.0.16.9", **SUBNET_B)),
        PRIMARY_PLAN
        + SECONDARY_PLAN.replace("table 2\n", "table 10099\n")
        .replace("table 2 ", "table 10099 ")
        .replace("device 1", "device 99")
        .replace("eni-0123456789abcdef1", ANOTHER_ID),
    ),
    "prefixes": (
        tree(
            eni(P, 0, local_ipv4s="10.0.0.4", ipv4_prefix="10.0.8.16/28", **SUBNET_A),
            eni(
                S,
                1,
                local_ipv4s="10.0.16.9",
                ipv4_prefix="10.0.24.0/28\n10.0.24.32/28",
                ipv6s="2001:db8:0:b::9",
                ipv6_prefix="2001:db8:0:b:1::/80",
                **SUBNET_B,
            ),
        ),
        """
eni eni-0123456789abcdef0 02:00:00:00:00:0b primary device 0 card None role node+pod table 254
 mtu 9001 gateways 10.0.0.1 None
 address 10.0.0.4/32
 prefix 10.0.8.16/28
 route 4 table 254 10.0.8.16/28 unreachable via None scope global metric None
 rule 4 512 to 10.0.8.16/28 table 254
 rule 4 1024 fwmark 0x80/0x80 table 254
eni eni-0123456789abcdef1 02:00:00:00:00:0a secondary device 1 card None role pod table 2
 mtu 9001 gateways 10.0.16.1 fe80:ec2::1
 address 10.0.16.9/32
 address 2001:db8:0:b::9/128
 prefix 10.0.24.0/28
 prefix 10.0.24.32/28
 prefix 2001:db8:0:b:1::/80
 route 4 table 2 10.0.16.1/32 unicast via None scope link metric None
 route 4 table 2 0.0.0.0/0 unicast via 10.0.16.1 scope global metric None
 route 4 table 2 0.0.0.0/0 unreachable via None scope global metric 4278198272
 route 6 table 2 fe80:ec2::1/128 unicast via None scope link metric 1024
 route 6 table 2 ::/0 unicast via fe80:ec2::1 scope global metric 1024
 route 6 table 2 ::/0 unreachable via None scope global metric 4278198272
 route 4 table 254 10.0.24.0/28 unreachable via None scope global metric None
 route 4 table 254 10.0.24.32/28 unreachable via None scope global metric None
 route 6 table 254 2001:db8:0:b:1::/80 unreachable via None scope global metric 1024
 rule 4 512 to 10.0.24.0/28 table 254
 rule 4 512 to 10.0.24.32/28 table 254
 rule 6 512 to 2001:db8:0:b:1::/80 table 254
 rule 4 1536 from 10.0.24.0/28 table 2
 rule 4 1536 from 10.0.24.32/28 table 2
 rule 6 1536 from 2001:db8:0:b:1::/80 table 2
 rule 4 32765 from 10.0.16.9/32 table 2
 rule 6 32765 from 2001:db8:0:b::9/128 table 2
""",
    ),
    "further addresses, which are for pods": (
        tree(PRIMARY, eni(S, 1, local_ipv4s="10.0.16.9\n10.0.16.10\n10.0.16.11", **SUBNET_B)),
        PRIMARY_PLAN
        + SECONDARY_PLAN
        + """
 rule 4 512 to 10.0.16.10/32 table 254
 rule 4 512 to 10.0.16.11/32 table 254
 rule 4 1536 from 10.0.16.10/32 table 2
 rule 4 1536 from 10.0.16.11/32 table 2
""",
    ),
    "EFA only": (
        tree(PRIMARY, eni(S, 1, network_card="1", **SUBNET_B)),
        PRIMARY_PLAN
        + """
eni eni-0123456789abcdef1 02:00:00:00:00:0a secondary device 1 card 1 role ignored table 10101
 mtu None gateways None None
""",
    ),
    "another account's": (
        tree(PRIMARY, eni(S, 1, local_ipv4s="10.0.16.9", owner_id="210987654321", **SUBNET_B)),
        PRIMARY_PLAN
        + """
eni eni-0123456789abcdef1 02:00:00:00:00:0a secondary device 1 card None role ignored table 2
 mtu None gateways None None
""",
    ),
    "a device number of 0 that is none yet": (
        tree(PRIMARY, eni(S, 0, interface_id=ANOTHER_ID, local_ipv4s="10.0.16.9", **SUBNET_B)),
        PRIMARY_PLAN + "\npending 02:00:00:00:00:0a",
    ),
    "an interface whose keys are not all there": (
        tree(PRIMARY, {f"{MACS}/{S}/mac": S, f"{MACS}/{S}/local-ipv4s": "10.0.16.9"}),
        PRIMARY_PLAN + "\npending 02:00:00:00:00:0a",
    ),
    "prefixes that are unknown": (
        tree(PRIMARY, eni(S, 1, local_ipv4s="10.0.16.9", ipv4_prefix=None, **SUBNET_B)),
        PRIMARY_PLAN + SECONDARY_PLAN + "\npending 02:00:00:00:00:0a",
    ),
    "a listing that is unknown": ({"meta-data/mac": P, f"{MACS}/": None}, "pending None"),
    "no word of the primary": (
        {**tree(PRIMARY), "meta-data/mac": None},
        "pending 02:00:00:00:00:0b",
    ),
}


def plan(path: Path, body: Tree, capsys: pytest.CaptureFixture[str], *more: str) -> dict[str, Any]:
    path.write_text(json.dumps(body))
    assert main(["network", "plan", "--imds-tree", str(path), *more]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def as_lines(found: dict[str, Any]) -> list[list[str]]:
    """Return a plan as blocks of lines, each interface's lines sorted below its first."""
    blocks = [[_head(entry), *sorted(_lines(entry))] for entry in found["enis"]]
    return [*blocks, *([f"pending {each['mac']}"] for each in found["pending"])]


def _head(entry: dict[str, Any]) -> str:
    which = {True: "primary", False: "secondary"}[entry["primary"]]
    place = f"device {entry['deviceNumber']} card {entry['networkCard']}"
    return f"eni {entry['eniId']} {entry['mac']} {which} {place} role {entry['role']} table {entry['table']}"


def _lines(entry: dict[str, Any]) -> list[str]:
    return [
        f"mtu {entry['mtu']} gateways {entry['gateway4']} {entry['gateway6']}",
        *(f"address {each}" for each in entry["addresses"]),
        *(f"prefix {each}" for each in entry["prefixes"]),
        *map(_route, entry["routes"]),
        *map(_rule, entry["rules"]),
    ]


def _route(each: dict[str, Any]) -> str:
    way = f"{each['type']} via {each['gateway']} scope {each['scope']} metric {each['metric']}"
    return f"route {each['family']} table {each['table']} {each['dst']} {way}"


def _rule(each: dict[str, Any]) -> str:
    selectors = {"from": each["src"], "to": each["dst"], "fwmark": each["fwmark"]}
    words = [word for name, value in selectors.items() if value is not None for word in (name, value)]
    return " ".join(["rule", str(each["family"]), str(each["priority"]), *words, "table", str(each["table"])])


def by_hand(text: str) -> list[list[str]]:
    blocks: list[list[str]] = []
    for line in filter(None, text.splitlines()):
        if line.startswith(" "):
            blocks[-1].append(line.strip())
        else:
            blocks.append([line])
    return [[block[0], *sorted(block[1:])] for block in blocks]


@pytest.mark.parametrize("name", CASES)
def test_the_desired_state(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    body, expected = CASES[name]
    assert as_lines(plan(tmp_path / "tree.json", body, capsys)) == by_hand(expected)


def test_every_key_is_always_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    body, _ = CASES["EFA only"]
    keys = {
        *("eniId", "mac", "primary", "deviceNumber", "networkCard", "role", "table", "mtu", "gateway4", "gateway6"),
        *("addresses", "prefixes", "routes", "rules", "sysctls"),
    }
    for entry in plan(tmp_path / "tree.json", body, capsys)["enis"]:
        assert set(entry) == keys


def test_the_order_in_which_routes_depend_on_each_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    body, _ = CASES["IPv4 and IPv6"]
    entry = plan(tmp_path / "tree.json", body, capsys)["enis"][1]
    assert [(each["dst"], each["type"]) for each in entry["routes"] if each["family"] == 4] == [
        ("10.0.16.1/32", "unicast"),
        ("0.0.0.0/0", "unicast"),
        ("0.0.0.0/0", "unreachable"),
    ]


def test_the_sysctls(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    body, _ = CASES["IPv4 and IPv6"]
    primary, secondary = (entry["sysctls"] for entry in plan(tmp_path / "tree.json", body, capsys)["enis"])
    both = {"net.ipv4.conf.{ifname}.rp_filter": "2", "net.ipv6.conf.{ifname}.accept_dad": "0"}
    assert both.items() <= primary.items()
    assert both.items() <= secondary.items()
    assert secondary["net.ipv6.conf.{ifname}.accept_ra"] == "0"
    assert secondary["net.ipv6.conf.{ifname}.autoconf"] == "0"


def test_a_file_that_is_no_tree_is_for_a_person(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "tree.json"
    for text in ("no JSON", "[]", '{"meta-data/mac": 1}'):
        path.write_text(text)
        assert main(["network", "plan", "--imds-tree", str(path)]) == 78
        assert capsys.readouterr().out == ""
