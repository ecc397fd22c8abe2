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
_CHUNK_MEGABYTES = 10


@dataclass(frozen=True, slots=True)
class LogRequest:
    """What `spec.logCapture` asks for; the destination is a secret where it is a pre-signed URL."""

    destination: str = field(repr=False)
    categories: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PacketSpec:
    """What `spec.packetCapture` asks for, as it was written; URL and form fields are secrets."""

    duration: str
    interface: str = ""
    expression: str = ""
    chunk_megabytes: int = _CHUNK_MEGABYTES
    url: str = field(default="", repr=False)
    fields: Mapping[str, str] = field(default_factory=dict, repr=False)


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
    """A request for diagnostics of one node. `entries` and `conditions` are the status as it stands, by type."""

    name: str
    uid: str
    generation: int
    log: LogRequest | None
    packets: PacketSpec | None = None
    entries: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    conditions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)

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
    log, packets = spec.get("logCapture"), spec.get("packetCapture")
    status = _mapping(body.get("status"))
    return NodeDiagnostic(
        name=str(metadata["name"]),
        uid=str(metadata["uid"]),
        generation=int(metadata["generation"]),
        log=_log_request(log) if isinstance(log, Mapping) else None,
        packets=_packet_spec(packets) if isinstance(packets, Mapping) else None,
        entries=_by_type(status.get("captureStatuses")),
        conditions=_by_type(status.get("conditions")),
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


def _packet_spec(body: Mapping[str, Any]) -> PacketSpec:
    upload, size = _mapping(body.get("upload")), body.get("chunkSizeMB")
    return PacketSpec(
        duration=str(body.get("duration") or ""),
        interface=str(body.get("interface") or ""),
        expression=str(body.get("filter") or ""),
        # As the peer has it: what is not positive is the default.
        chunk_megabytes=size if isinstance(size, int) and size > 0 else _CHUNK_MEGABYTES,
        url=str(upload.get("url") or ""),
        fields={str(name): str(value) for name, value in _mapping(upload.get("fields")).items()},
    )


def _by_type(entries: object) -> dict[str, Mapping[str, Any]]:
    found = entries if isinstance(entries, list) else []
    return {str(entry["type"]): entry for entry in found if isinstance(entry, Mapping) and "type" in entry}


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
