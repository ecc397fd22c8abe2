"""The desired state as JSON: which ENIs are in it, in which order, and what is wrong with a tree that is none."""

import json
from typing import Any

import pytest
from network.values import PRIMARY_MAC, SECONDARY_MAC

from agent.eni import MACS
from agent.errors import SettingsError
from agent.network import plan

Tree = dict[str, str | None]


def tree(**of_secondary: str | None) -> Tree:
    found: Tree = {"meta-data/mac": PRIMARY_MAC}
    for mac, number in ((PRIMARY_MAC, 0), (SECONDARY_MAC, 1)):
        values: Tree = {
            "device-number": str(number),
            "interface-id": f"eni-0123456789abcdef{number}",
            "local-ipv4s": f"10.0.0.{number + 4}",
            "mac": mac,
            "owner-id": "123456789012",
            "subnet-id": "subnet-0a",
            "subnet-ipv4-cidr-block": "10.0.0.0/24",
            "vpc-id": "vpc-0a",
        }
        values |= {key.replace("_", "-"): value for key, value in of_secondary.items()} if number else {}
        found |= {f"{MACS}{mac}/{key}": value for key, value in values.items()}
    return found


def planned(of: Tree, *, pod_subnet_mode: bool = False) -> Any:
    return json.loads(plan.render(json.dumps(of), pod_subnet_mode=pod_subnet_mode))


def test_the_primary_comes_first_though_its_mac_does_not() -> None:
    body = planned(tree())
    assert [(eni["mac"], eni["table"]) for eni in body["enis"]] == [(PRIMARY_MAC, 254), (SECONDARY_MAC, 2)]
    assert body["pending"] == []


def test_an_unknown_is_pending_and_what_is_known_is_planned() -> None:
    body = planned(tree(ipv4_prefix=None))
    (pending,) = body["pending"]
    assert (pending["mac"], "ipv4-prefix" in pending["reason"]) == (SECONDARY_MAC, True)
    assert [eni["addresses"] for eni in body["enis"]][1] == ["10.0.0.5/32"]


def test_an_eni_without_a_place_is_only_pending() -> None:
    body = planned(tree(device_number=None))
    assert [eni["mac"] for eni in body["enis"]] == [PRIMARY_MAC]
    assert [each["mac"] for each in body["pending"]] == [SECONDARY_MAC]


def test_a_tree_without_a_listing_has_a_reason_and_no_eni() -> None:
    body = planned({"meta-data/mac": PRIMARY_MAC, MACS: None})
    assert body == {"enis": [], "pending": [{"mac": None, "reason": f"IMDS does not answer {MACS}"}]}


def test_in_pod_subnet_mode_the_primary_is_the_nodes_alone() -> None:
    assert [eni["role"] for eni in planned(tree(), pod_subnet_mode=True)["enis"]] == ["node", "pod"]


@pytest.mark.parametrize("text", ["", "[]", '{"meta-data/mac": 7}'])
def test_what_is_no_tree_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="the tree is no JSON"):
        plan.render(text, pod_subnet_mode=False)
