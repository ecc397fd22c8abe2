from dataclasses import replace
from typing import Any

import pytest

from agent.diagnostics import conditions
from agent.diagnostics.api import LogRequest, NodeDiagnostic, PacketSpec

NOW, BEFORE = "2026-11-22T16:00:00Z", "2026-11-22T15:00:00Z"
OBJECT = NodeDiagnostic("i-1", "u-1", 3, LogRequest("node", ("Base",)), PacketSpec("5s"))


def entry(reason: str = "", generation: int = 3) -> dict[str, Any]:
    said = {"observedGeneration": generation, **({"reason": reason} if reason else {})}
    return {"state": {"completed" if reason else "running": said}}


def statuses(diagnostic: NodeDiagnostic, **entries: dict[str, Any]) -> dict[str, tuple[str, str]]:
    found = conditions.of(diagnostic, entries, now=NOW)
    return {condition["type"]: (condition["status"], condition["reason"]) for condition in found}


@pytest.mark.parametrize(
    ("log", "packet", "ready"),
    [
        (entry("Success"), entry("Success"), ("True", "Success")),
        (entry("Success"), entry("SuccessWithErrors"), ("True", "SuccessWithErrors")),
        (entry("Success"), entry(), ("Unknown", "Running")),
        (entry("Failure"), entry(), ("False", "Failure")),
        (entry("Success", 2), entry("Success"), ("Unknown", "Pending")),
        ({}, entry("Success"), ("Unknown", "Pending")),
    ],
)
def test_ready_is_what_every_capture_says(log: dict[str, Any], packet: dict[str, Any], ready: tuple[str, str]) -> None:
    assert statuses(OBJECT, Log=log, Packet=packet)["Ready"] == ready


def test_what_is_not_asked_for_has_no_condition() -> None:
    found = statuses(replace(OBJECT, packets=None), Log=entry("Success"), Packet=entry("Failure"))
    assert found == {"LogCaptured": ("True", "Success"), "Ready": ("True", "Success")}


def test_a_transition_has_the_time_when_the_status_changed() -> None:
    before = {"Ready": {"status": "True", "lastTransitionTime": BEFORE}, "LogCaptured": {"status": "Unknown"}}
    found = conditions.of(replace(OBJECT, packets=None, conditions=before), {"Log": entry("Success")}, now=NOW)
    assert {one["type"]: one["lastTransitionTime"] for one in found} == {"Ready": BEFORE, "LogCaptured": NOW}
    assert {one["observedGeneration"] for one in found} == {3}
