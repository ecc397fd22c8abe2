"""What a packet capture asks for, checked, and how its end is said in the peer's words."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from agent.diagnostics import report
from agent.diagnostics.api import CaptureStatus, NodeDiagnostic, PacketSpec
from agent.diagnostics.report import Ending, Reason
from agent.errors import AgentError, SettingsError
from agent.packet_capture import Ended, PacketRequest, PacketResult, Sent

KIND = "Packet"
SUCCEEDED = "packet capture completed successfully."
FAILED = "packet capture failed."
_LONGEST_SECONDS = 3600
_LARGEST_CHUNK = 100
_UNITS = {"s": 1, "m": 60, "h": 3600}
# Digits beyond these are more than an hour in any unit.
_DURATION = re.compile(r"0*([0-9]{1,6})([smh])")
# A name of an interface in the kernel: IFNAMSIZ is 16 with its NUL.
_INTERFACE = re.compile(r"[A-Za-z0-9_.:@][A-Za-z0-9_.:@-]{0,14}")
# An argument of a process may be longer; an expression that a person wrote is not.
_LONGEST_EXPRESSION = 4096


@dataclass(frozen=True, slots=True)
class Identity:
    """What names a capture, and the one that it takes the place of."""

    capture_id: str
    started_at: str
    previous: str = ""


def request(diagnostic: NodeDiagnostic, spec: PacketSpec, identity: Identity) -> PacketRequest:
    """Return what is to be captured; SettingsError with the head of the message where it cannot be."""
    if not spec.expression.isprintable() or len(spec.expression) > _LONGEST_EXPRESSION:
        raise SettingsError("the filter is too long, or has characters that no filter has", hint="write it in one line")
    if spec.expression.lstrip().startswith("-"):
        raise SettingsError("the filter begins with -, as an option does", hint="write a pcap filter expression")
    if spec.interface and not _INTERFACE.fullmatch(spec.interface):
        raise SettingsError("the interface has no name of one", hint="see networking/links.txt of a log capture")
    return PacketRequest(
        capture_id=identity.capture_id,
        uid=diagnostic.uid,
        generation=diagnostic.generation,
        name=diagnostic.name,
        started_at=identity.started_at,
        seconds=seconds(spec.duration, diagnostic.name),
        chunk_megabytes=min(spec.chunk_megabytes, _LARGEST_CHUNK),
        interface=spec.interface,
        expression=spec.expression.strip(),
        previous=identity.previous,
    )


def seconds(duration: str, name: str) -> int:
    """Parse a duration of at most one hour."""
    found = _DURATION.fullmatch(duration)
    value = int(found[1]) * _UNITS[found[2]] if found else _LONGEST_SECONDS + 1
    if value > _LONGEST_SECONDS:
        raise DurationError(
            f'invalid or excessive duration "{duration[:40]}" (max 1h0m0s). '
            f"Delete this resource with: kubectl delete nodediagnostic {name}"
        )
    return value


class DurationError(SettingsError):
    """A duration that is none, or too long; the peer has a message of its own for it."""


def belongs(request: PacketRequest, diagnostic: NodeDiagnostic | None) -> bool:
    """Return whether a capture answers what the object asks for now."""
    return diagnostic is not None and (request.uid, request.generation) == (diagnostic.uid, diagnostic.generation)


def is_answered(diagnostic: NodeDiagnostic, status: CaptureStatus | None) -> bool:
    """Return whether the status already says how the capture of this generation ended."""
    return status is not None and not status.running and status.observed_generation == diagnostic.generation


def refused_request(diagnostic: NodeDiagnostic, identity: Identity) -> PacketRequest:
    """Return what stands for a capture that cannot begin: its status needs a name and a time all the same."""
    own = (identity.capture_id, diagnostic.uid, diagnostic.generation, diagnostic.name, identity.started_at)
    return PacketRequest(*own, seconds=0, chunk_megabytes=0)


def refused(error: AgentError) -> Ending:
    """Return the ending of a capture that cannot begin."""
    if isinstance(error, DurationError):
        return Ending(KIND, Reason.FAILURE, report.message(error.message, {}))
    return failed(report.cause(error))


def failed(details: Mapping[str, object]) -> Ending:
    """Return the ending of a capture that came to nothing."""
    return Ending(KIND, Reason.FAILURE, report.message(FAILED, details))


def ending(request: PacketRequest, result: PacketResult, sent: Sent, *, overwrites: bool) -> Ending:
    """Return how a capture ended, once nothing more will be uploaded."""
    unsent = max(0, result.chunks - sent.chunks)
    clean = result.ended is Ended.DURATION
    reason, head = (Reason.SUCCESS, SUCCEEDED) if clean else (Reason.FAILURE, FAILED)
    if clean and (unsent or sent.error):
        reason, head = Reason.FAILURE, f"packet capture completed but {unsent} file uploads failed."
    note = ""
    if reason is Reason.SUCCESS and overwrites and sent.chunks > 1:
        reason, note = Reason.PARTIAL, "every chunk went to the same object: put ${filename} into the key"
    error = result.error or ("the agent or its unit was stopped" if result.ended is Ended.STOPPED else "")
    details = {
        "error": "" if sent.error else error,
        "upload": sent.error.replace(";", ","),
        "note": note,
        "hint": result.hint,
        "chunks": sent.chunks,
        "bytes": sent.size,
        "packets": result.packets,
        "dropped": result.dropped,
    }
    previous = f" Previous capture {request.previous} was cancelled." if request.previous else ""
    return Ending(KIND, reason, report.message(head + previous, details))
