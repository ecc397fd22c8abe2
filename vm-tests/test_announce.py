"""The doctor's headline in the API, by the real identities of a node; a second look asks the API server for nothing."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from agent import manifests
from broken_ground import REPOSITORY, Ground, standing
from world.processes import run

pytestmark = pytest.mark.netns

KUBELET, DOCTOR = "system:node:{}", "eks-auto:node-doctor"
# What the doctor saw of the Node, and a report as it would be, said by the agent in the node's place.
DRIVER = """
import sys
from dataclasses import replace
from pathlib import Path
from agent.announce import daemon as announcing
from agent.doctor import daemon
from agent.doctor.report import Check, Episode, Report
root = Path(sys.argv[1])
seen = daemon.examine(root=root)
assert seen.announced is not None, seen
check = Check("ok", "Ready", id="node") if sys.argv[2] == "well" else Check("fail", sys.argv[2], "", "act", id="disk")
trouble = Episode("tcp", "tcp: no answer -> allow it", "2026-01-01T00:00:00Z", "2026-01-01T00:10:00Z")
announcing.announce(Report((check,), trouble=trouble, announced=seen.announced), root=root)
"""


@pytest.fixture(scope="module")
def ground() -> Iterator[Ground]:
    with standing() as ground:
        ground.cluster.kubectl("apply", "-f", "-", stdin=manifests.render())
        ground.configure(ground.cluster.user_data())
        body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name(ground)}}
        ground.cluster.kubectl("create", "-f", "-", stdin=json.dumps(body))
        yield ground


def name(ground: Ground) -> str:
    return ground.resident.machine.instance_id


def say(ground: Ground, what: str) -> None:
    argv = [sys.executable, "-c", DRIVER, str(ground.root), what]
    run(argv, netns=ground.netns, environment={"PYTHONPATH": str(REPOSITORY)}, timeout=60)


def condition(ground: Ground) -> dict[str, Any]:
    node = json.loads(ground.cluster.kubectl("get", "node", name(ground), "-o", "json"))
    [found] = [each for each in node["status"]["conditions"] if each["type"] == "DoctorHealthy"]
    return dict(found)


def events(ground: Ground) -> list[tuple[str, str, str]]:
    listed = json.loads(ground.cluster.kubectl("get", "events", "-n", "default", "-o", "json"))["items"]
    ours = [each for each in listed if each["source"].get("component") == "node-doctor"]
    return sorted((each["type"], each["reason"], each["message"]) for each in ours)


def writes(ground: Ground) -> list[tuple[str, str, str]]:
    """Return who wrote what as the node: the user, the one it impersonated, and the path."""
    return [
        (event["user"]["username"], event.get("impersonatedUser", {}).get("username", ""), event["requestURI"])
        for event in ground.cluster.audit_events()
        if event["verb"] in {"patch", "create"}
        and event["stage"] == "ResponseComplete"
        and event["user"]["username"] == KUBELET.format(name(ground))
        and "selfsubjectreviews" not in event["requestURI"]
    ]


def test_the_node_says_what_the_doctor_says_once(ground: Ground) -> None:
    say(ground, "/var is full")
    assert condition(ground)["status"] == "False"
    assert condition(ground)["reason"] == "DiskFailed"
    assert condition(ground)["message"] == "disk: /var is full -> act"
    assert events(ground) == [("Warning", "DiskFailed", "disk: /var is full -> act")]
    said = writes(ground)
    node = KUBELET.format(name(ground))
    assert said == [
        (node, DOCTOR, "/api/v1/namespaces/default/events"),
        (node, "", f"/api/v1/nodes/{name(ground)}/status"),
    ]
    say(ground, "/var is full")
    assert writes(ground) == said


def test_a_node_that_joined_late_tells_why(ground: Ground) -> None:
    say(ground, "well")
    assert condition(ground)["status"] == "True"
    assert "tcp: no answer -> allow it" in condition(ground)["message"]
    assert [event for event in events(ground) if event[:2] == ("Normal", "Healthy")] != []


def test_conditions_of_others_stay(ground: Ground) -> None:
    other = {"status": {"conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}]}}
    ground.cluster.kubectl(
        "patch", "node", name(ground), "--subresource=status", "--type=strategic", "-p", json.dumps(other)
    )
    say(ground, "/var is full again")
    node = json.loads(ground.cluster.kubectl("get", "node", name(ground), "-o", "json"))
    assert {each["type"] for each in node["status"]["conditions"]} == {"Ready", "DoctorHealthy"}
