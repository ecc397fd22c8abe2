"""What a bundle says of itself: manifest.json, and log-capture-errors.log as the peer has it."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from agent.outputs import ERRORS, Outcome
from agent.redaction import redact

PATH = "manifest.json"
ERRORS_PATH = "log-capture-errors.log"
_SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class About:
    """Whose bundle it is."""

    agent_version: str
    node: str
    categories: tuple[str, ...]
    started_at: str
    capture_id: str = ""
    uid: str = ""
    generation: int | None = None


def render(about: About, outcomes: Sequence[tuple[str, Outcome]], *, finished_at: str) -> bytes:
    """Return manifest.json: a row for every output of the requested categories, in the order of the bundle."""
    body = {
        "schemaVersion": _SCHEMA_VERSION,
        "agentVersion": about.agent_version,
        "node": about.node,
        "object": {"name": about.node, "uid": about.uid, "generation": about.generation} if about.uid else None,
        "captureID": about.capture_id or None,
        "categories": about.categories,
        "startedAt": about.started_at,
        "finishedAt": finished_at,
        "redactions": sum(outcome.redactions for _, outcome in outcomes),
        "leftBehind": sum(outcome.left_behind for _, outcome in outcomes),
        "outputs": [_row(category, outcome) for category, outcome in outcomes],
    }
    return (json.dumps(body, indent=1) + "\n").encode()


def errors(outcomes: Iterable[tuple[str, Outcome]]) -> bytes:
    """Return the errors by category; nothing where there is none."""
    blocks: dict[str, list[str]] = {}
    for category, outcome in outcomes:
        if outcome.status in ERRORS:
            line = f"{printable(outcome.path)}: {outcome.status}: {redact(printable(outcome.error))}"
            blocks.setdefault(category, []).append(line)
    lines = [line for name, rows in blocks.items() for line in (f'--- Errors in collector "{name}" ---', *rows)]
    return "".join(f"{line}\n" for line in lines).encode()


def failed(outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    """Return the paths of the outputs that are not whole."""
    return tuple(printable(outcome.path) for outcome in outcomes if outcome.status in ERRORS)


def printable(path: str) -> str:
    """Return a path as text: bytes that are not UTF-8, and control characters, are escaped."""
    text = path.encode(errors="surrogateescape").decode(errors="backslashreplace")
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _row(category: str, outcome: Outcome) -> dict[str, Any]:
    row = asdict(outcome)
    return {
        "category": category,
        "path": printable(row["path"]),
        "source": printable(row["source"]),
        "status": str(row["status"]),
        "exitCode": row["exit_code"],
        "seconds": row["seconds"],
        "bytesRead": row["bytes_read"],
        "bytesWritten": row["bytes_written"],
        "sha256": row["sha256"] or None,
        "error": redact(printable(row["error"])) or None,
        "redactions": row["redactions"],
    }
