"""The object's conditions, for `kubectl wait --for=condition=Ready`: each follows from the status entries alone."""

from collections.abc import Mapping
from typing import Any

from agent.diagnostics.api import NodeDiagnostic

_TYPES = {"Log": "LogCaptured", "Packet": "PacketsCaptured"}
READY = "Ready"
_FAILURE = "Failure"


def of(diagnostic: NodeDiagnostic, entries: Mapping[str, Mapping[str, Any]], *, now: str) -> list[dict[str, Any]]:
    """Return a condition for each capture that the object asks for, and `Ready` for all of them together."""
    asked = {"Log": diagnostic.log is not None, "Packet": diagnostic.packets is not None}
    found = {kind: _reason(entries.get(kind), diagnostic.generation) for kind, wanted in asked.items() if wanted}
    reasons = {**{_TYPES[kind]: reason for kind, reason in found.items()}, READY: _worst(list(found.values()))}
    return [_condition(diagnostic, name, reason, now) for name, reason in sorted(reasons.items())]


def _reason(entry: Mapping[str, Any] | None, generation: int) -> str:
    """Return how the capture of this generation ended, or what it waits for."""
    state = (entry or {}).get("state") or {}
    for name in ("completed", "running"):
        said = state.get(name)
        if said and said.get("observedGeneration") == generation:
            return str(said.get("reason") or "Running")
    return "Pending"


def _worst(reasons: list[str]) -> str:
    order = (_FAILURE, "Pending", "Running", "SuccessWithErrors")
    return next((reason for reason in order if reason in reasons), "Success")


def _condition(diagnostic: NodeDiagnostic, name: str, reason: str, now: str) -> dict[str, Any]:
    status = "False" if reason == _FAILURE else "True" if reason.startswith("Success") else "Unknown"
    before = diagnostic.conditions.get(name, {})
    return {
        "type": name,
        "status": status,
        "reason": reason,
        "message": "" if name == READY else f"see .status.captureStatuses of type {_kind(name)}",
        "lastTransitionTime": before.get("lastTransitionTime", now) if before.get("status") == status else now,
        "observedGeneration": diagnostic.generation,
    }


def _kind(name: str) -> str:
    return next(kind for kind, condition in _TYPES.items() if condition == name)
