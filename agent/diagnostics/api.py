"""The NodeDiagnostic object, parsed once into frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

GROUP = "eks.amazonaws.com"
VERSION = "v1alpha1"
KIND = "NodeDiagnostic"
COLLECTION = f"/apis/{GROUP}/{VERSION}/nodediagnostics"

CATEGORIES = ("Base", "Device", "Networking", "Runtime", "System")
ALL = "All"


@dataclass(frozen=True, slots=True)
class LogRequest:
    """What `spec.logCapture` asks for; the destination is a secret where it is a pre-signed URL."""

    destination: str = field(repr=False)
    categories: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CaptureStatus:
    """What the status says of one kind of capture: it runs, or how it ended."""

    kind: str
    running: bool
    capture_id: str
    started_at: str
    observed_generation: int | None


@dataclass(frozen=True, slots=True)
class NodeDiagnostic:
    """A request for diagnostics of one node. `entries` are the status entries as they stand, by kind."""

    name: str
    uid: str
    generation: int
    log: LogRequest | None
    wants_packets: bool
    entries: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)

    def status(self, kind: str) -> CaptureStatus | None:
        """Return what the status says of `Log` or `Packet`."""
        entry = self.entries.get(kind)
        state = _mapping(entry.get("state")) if entry else {}
        running, completed = _mapping(state.get("running")), _mapping(state.get("completed"))
        said = completed or running
        if not said:
            return None
        generation = said.get("observedGeneration")
        return CaptureStatus(
            kind=kind,
            running=not completed,
            capture_id=str(said.get("captureID") or ""),
            started_at=str(said.get("startedAt") or ""),
            observed_generation=generation if isinstance(generation, int) else None,
        )


def parse(body: Mapping[str, Any]) -> NodeDiagnostic:
    """Parse an object that the API server has checked against the CRD."""
    metadata, spec = body["metadata"], _mapping(body.get("spec"))
    log = spec.get("logCapture")
    return NodeDiagnostic(
        name=str(metadata["name"]),
        uid=str(metadata["uid"]),
        generation=int(metadata["generation"]),
        log=_log_request(log) if isinstance(log, Mapping) else None,
        wants_packets=bool(spec.get("packetCapture")),
        entries={
            str(entry["type"]): entry
            for entry in _mapping(body.get("status")).get("captureStatuses") or ()
            if isinstance(entry, Mapping) and "type" in entry
        },
    )


def current(body: Mapping[str, Any] | None) -> NodeDiagnostic | None:
    """Parse an object that may not be there."""
    return None if body is None else parse(body)


def expand(categories: tuple[str, ...]) -> tuple[str, ...]:
    """Return the categories meant, in the fixed order; `All` means every one."""
    return tuple(name for name in CATEGORIES if name in categories or ALL in categories)


def _log_request(body: Mapping[str, Any]) -> LogRequest:
    categories = body.get("categories")
    # Absent means all; an empty list selects nothing, as the peer has it.
    names = (ALL,) if categories is None else tuple(str(name) for name in categories)
    return LogRequest(str(body.get("destination") or ""), expand(names))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
