"""What the object's status says of a capture: states, reasons and messages in the peer's words, and Events."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from agent.diagnostics import conditions
from agent.diagnostics.api import GROUP, KIND, VERSION, NodeDiagnostic
from agent.diagnostics.capture import Made
from agent.errors import AgentError
from agent.redaction import redact

_MESSAGE_LIMIT = 1024
_MOST_NAMES = 5

COLLECTION_FAILED = "fatal error during log collection process"
UPLOAD_FAILED = "fatal error during log upload process"
NODE_FAILED = "failed to write logs to file"


class Run(Protocol):
    """A capture of any kind, as the status names it."""

    @property
    def capture_id(self) -> str: ...

    @property
    def generation(self) -> int: ...

    @property
    def started_at(self) -> str: ...


class Reason(StrEnum):
    """How a capture ended."""

    SUCCESS = "Success"
    PARTIAL = "SuccessWithErrors"
    FAILURE = "Failure"


@dataclass(frozen=True, slots=True)
class Ending:
    """How a capture of one kind ended, as the status will say it."""

    kind: str
    reason: Reason
    text: str

    def dump(self) -> bytes:
        return json.dumps([self.kind, self.reason, self.text]).encode()


def parse_ending(content: bytes) -> Ending | None:
    """Parse an ending that was written down; None where it is not one of ours."""
    try:
        kind, reason, text = json.loads(content)
        return Ending(str(kind), Reason(reason), str(text))
    except (ValueError, TypeError):
        return None


def message(head: str, details: Mapping[str, object]) -> str:
    """Return the peer's text, then `; key=value` for each detail that has a value; at most 1 KiB, no secrets."""
    said = words(details)
    text = redact(f"{head}; {said}" if said else head)
    return text.encode()[:_MESSAGE_LIMIT].decode(errors="ignore")


def words(details: Mapping[str, object]) -> str:
    """Return `key=value` for each detail that has a value, in one line."""
    return "; ".join(f"{key}={_one_line(value)}" for key, value in details.items() if value not in {"", None})


def cause(error: AgentError) -> dict[str, object]:
    """Return the details of a message that say why something did not work."""
    return {"error": error.message, "hint": error.hint}


def defect(error: Exception) -> dict[str, object]:
    """Return the details of a message that says of a mistake of ours what may be said: its kind."""
    hint = "see the journal of node-agent-diagnostics, and report it"
    return {"error": f"a defect of the agent: {type(error).__name__}", "hint": hint}


def delivered(made: Made) -> tuple[Reason, str]:
    """Return reason and head of the message for a bundle that has arrived."""
    if made.failed:
        return Reason.PARTIAL, "successfully uploaded logs with some errors"
    return Reason.SUCCESS, "successfully uploaded logs with no errors"


def kept(made: Made, path: str) -> tuple[Reason, str]:
    """Return reason and head of the message for a bundle that stays on the node."""
    head = f"successfully saved logs to {path}"
    return (Reason.PARTIAL, f"{head} with some errors") if made.failed else (Reason.SUCCESS, head)


def contents(made: Made) -> dict[str, object]:
    """Return the details of a message that describe a bundle."""
    more = len(made.failed) - _MOST_NAMES + made.more
    failed = ",".join(made.failed[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
    # The names come last: they may be long, and what is beyond the limit is cut.
    return {"outputs": made.outputs, "bytes": made.size, "sha256": made.sha256, "failed": failed}


def running(kind: str, capture: Run) -> dict[str, Any]:
    """Return the status entry of a capture under way."""
    state = {
        "startedAt": capture.started_at,
        "captureID": capture.capture_id,
        "observedGeneration": capture.generation,
    }
    return {"type": kind, "state": {"running": state}}


def completed(capture: Run, ending: Ending, *, now: str) -> dict[str, Any]:
    """Return the status entry of a capture that has ended."""
    state = {
        "reason": str(ending.reason),
        "message": ending.text,
        "startedAt": capture.started_at,
        "finishedAt": now,
        "captureID": capture.capture_id,
        "observedGeneration": capture.generation,
    }
    return {"type": ending.kind, "state": {"completed": state}}


def patch(diagnostic: NodeDiagnostic, entries: Mapping[str, Mapping[str, Any]], *, now: str) -> dict[str, Any]:
    """Return the merge patch that makes the status say these entries, and what follows from them.

    The uid makes the server refuse it for an object that was deleted and made again under the same name.
    """
    return {
        "metadata": {"uid": diagnostic.uid},
        "status": {
            "captureStatuses": [entries[kind] for kind in sorted(entries)],
            "conditions": conditions.of(diagnostic, entries, now=now),
        },
    }


def event(diagnostic: NodeDiagnostic, capture: Run, what: str, text: str, *, now: str) -> dict[str, Any]:
    """Return an Event of the object; of a cluster-scoped object it lives in the namespace `default`."""
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{diagnostic.name}.{capture.capture_id}.{what.lower()}", "namespace": "default"},
        "involvedObject": {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": KIND,
            "name": diagnostic.name,
            "uid": diagnostic.uid,
        },
        "reason": f"Capture{what}",
        "message": text,
        "type": "Warning" if what == Reason.FAILURE else "Normal",
        "source": {"component": "node-diagnostics", "host": diagnostic.name},
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }


def _one_line(value: object) -> str:
    text = "".join(char if char.isprintable() else " " for char in str(value))
    return " ".join(text.replace(";", ",").split())
