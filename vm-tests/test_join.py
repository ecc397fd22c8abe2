"""A good node: it joins under its instance ID, and is what the image promises."""

import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest

import guest
from world import World
from world.node import Node
from world.waiting import until

pytestmark = pytest.mark.vm
JOIN = timedelta(minutes=3)
COMM = 15  # the kernel keeps no more of a program's name
LISTENERS = Path(__file__).parent.parent / "images/listeners.txt"


@pytest.fixture(scope="module")
def joined(world: World, node: Node) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(world.kubectl("get", "node", node.instance_id, "-o", "json"))
    return found


def test_the_node_is_ready_under_its_instance_id(joined: dict[str, Any], node: Node) -> None:
    conditions = {condition["type"]: condition["status"] for condition in joined["status"]["conditions"]}
    assert conditions["Ready"] == "True"
    assert joined["status"]["nodeInfo"]["kubeletVersion"] == "v1.36.3"
    assert joined["spec"]["providerID"] == f"aws:///us-west-2a/{node.instance_id}"


def test_the_cloud_node_controller_has_initialized_it(joined: dict[str, Any]) -> None:
    taints = {taint["key"] for taint in joined["spec"].get("taints", [])}
    assert "node.cloudprovider.kubernetes.io/uninitialized" not in taints
    assert joined["metadata"]["labels"]["topology.kubernetes.io/zone"] == "us-west-2a"


def test_nothing_of_a_normal_join_is_a_warning_in_the_api(world: World, joined: dict[str, Any], node: Node) -> None:
    """Later scenarios break the same node: only the Events of the join count."""
    until_then = datetime.fromisoformat(joined["metadata"]["creationTimestamp"]) + JOIN
    listed = json.loads(world.kubectl("get", "events", "--namespace", "default", "-o", "json"))["items"]
    ours = [
        event["message"]
        for event in listed
        if event["source"].get("component") == "node-doctor"
        and event["involvedObject"]["name"] == node.instance_id
        and event["type"] == "Warning"
        and datetime.fromisoformat(event["firstTimestamp"]) < until_then
    ]
    assert ours == []


def test_no_unit_has_failed(node: Node) -> None:
    assert guest.run(node, "systemctl --failed --no-legend --plain") == ""


def test_the_root_is_read_only_under_verity(node: Node) -> None:
    assert "ro" in guest.run(node, "findmnt --noheadings --output OPTIONS /").strip().split(",")
    assert re.search(r"^0 \d+ verity V", guest.run(node, "dmsetup status root"))
    assert node.shell("touch /usr/written").status != 0


def test_var_is_on_the_data_volume(node: Node) -> None:
    source = guest.run(node, "findmnt --noheadings --output SOURCE /var").strip()
    serial = guest.run(node, f"lsblk --nodeps --noheadings --output SERIAL {source}").strip()
    assert serial.startswith("vol")


def test_nothing_listens_but_what_is_documented(node: Node) -> None:
    lines = LISTENERS.read_text().splitlines()
    documented = [line.partition("#")[0].split() for line in lines if line and not line.startswith("#")]
    found = guest.run(node, "ss --no-header --numeric --listening --tcp --udp --processes").splitlines()
    assert [line for line in found if not any(is_listener(line, *row) for row in documented)] == []


def is_listener(line: str, protocol: str, place: str, port: str, program: str) -> bool:
    """Return whether a line of ss is what a row documents; port 0 is any port, `*` any address."""
    words = line.split()
    address, _, number = words[4].rpartition(":")
    address = address.partition("%")[0].strip("[]")
    inside = place == "*" or (address != "*" and ip_address(address) in ip_network(place))
    return words[0] == protocol and inside and port in {"0", number} and f'"{program[:COMM]}"' in line


def test_doctor_finds_nothing_wrong(node: Node) -> None:
    # On a busy host a machine without KVM may get DNS's answer after the doctor's two seconds.
    until(lambda: guest.headline(node) is None, 60, "the doctor finds nothing wrong")


def test_every_daemon_says_how_it_is(node: Node) -> None:
    statuses = json.loads(guest.run(node, "node-agent status --json"))
    assert {"configure", "storage", "network", "diagnostics", "console"} <= set(statuses)
    assert {name for name, status in statuses.items() if status["state"] != "ok"} == set()


@pytest.fixture(scope="module")
def behind(node: Node) -> Iterator[None]:
    guest.make_behind(node)
    yield
    guest.remove_behind(node)


@pytest.mark.usefixtures("behind")
@pytest.mark.parametrize("family", ["4", "6"])
@pytest.mark.parametrize(("hop_limit", "reached"), [(1, False), (2, True)])
def test_the_hop_limit_decides_whether_imds_answers_a_pod(
    node: Node, family: str, hop_limit: int, *, reached: bool
) -> None:
    node.imds.hop_limit = hop_limit
    try:
        assert guest.ask_token(node, family).status == 0
        assert (guest.ask_token(node, family, behind=True).status == 0) is reached
    finally:
        node.imds.hop_limit = 1


def test_a_hot_plugged_eni_is_found_and_brought_up(node: Node) -> None:
    eni = node.attach_eni()
    try:
        found = until(lambda: published(node, eni.eni_id), 60, f"{eni.eni_id} in enis.json")
        assert found["mac"] == eni.mac
        assert found["deviceNumber"] == eni.device_number
        assert not found["primary"]
        flags = guest.run(node, f"ip -oneline link show {found['ifname']}")
        assert "UP" in re.search("<(.*)>", flags)[1].split(",")
    finally:
        node.detach_eni(eni)
    until(lambda: published(node, eni.eni_id) is None, 60, f"{eni.eni_id} gone from enis.json")


def published(node: Node, eni_id: str) -> dict[str, Any] | None:
    enis = guest.status(node, "enis").get("enis", [])
    return next((eni for eni in enis if eni["eniId"] == eni_id and eni["ifname"]), None)


def test_the_console_holds_a_whole_cycle(node: Node) -> None:
    node.wait_console(b"NMA::LOG|", timeout=60)
    guest.run(node, "systemctl start node-agent-console.service")
    decoded = guest.run(node, "node-agent console decode - <<'END'\n" + console_text(node) + "\nEND")
    assert "imds" in decoded
    assert len(node.console()) <= 65536


def console_text(node: Node) -> str:
    return node.console().decode(errors="replace").replace("\r\n", "\n")


def test_the_tokens_api_identity_is_the_instance(world: World, node: Node) -> None:
    # Who was refused has no name in the log.
    users = {event.get("user", {}).get("username") for event in world.audit_events()}
    assert f"system:node:{node.instance_id}" in users
