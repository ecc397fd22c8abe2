"""What a bundle says of itself and of its node, as values; a stranger's text, until it is made printable."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from agent.outputs import ERRORS, Status
from kubectl_node_diagnostic.bundle import Entry

MANIFEST, DOCTOR, PEER_ERRORS = "manifest.json", "doctor.json", "log-capture-errors.log"
# A manifest of 200,000 rows; a doctor's report is some kilobytes.
_LIMITS = {MANIFEST: 64 << 20, DOCTOR: 1 << 20, PEER_ERRORS: 1 << 20}
_MOST_WORDS = 400
_MOST_ODD = 20


@dataclass(frozen=True, slots=True)
class Row:
    """One output of the manifest."""

    path: str
    status: str
    error: str
    size: int
    seconds: float
    redactions: int


@dataclass(frozen=True, slots=True)
class Cause:
    """One check of the doctor that is not good, or its headline."""

    id: str
    message: str
    action: str


@dataclass(frozen=True, slots=True)
class Doctor:
    """What the node's own doctor found."""

    healthy: bool
    headline: Cause | None
    others: tuple[Cause, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """A bundle in short; `notes` say what is strange about it."""

    node: str = ""
    agent: str = ""
    started_at: str = ""
    finished_at: str = ""
    categories: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    doctor: Doctor | None = None
    entries: int = 0
    size: int = 0
    notes: tuple[str, ...] = ()
    peer_errors: tuple[str, ...] = field(default=())

    @property
    def failed(self) -> tuple[Row, ...]:
        """The rows of outputs that are not whole."""
        return tuple(row for row in self.rows if row.status in ERRORS)

    @property
    def cut(self) -> tuple[Row, ...]:
        """The rows of outputs that were longer than their limit."""
        return tuple(row for row in self.rows if row.status == Status.TRUNCATED)

    @property
    def counts(self) -> Mapping[str, int]:
        return Counter(row.status for row in self.rows)

    @property
    def redactions(self) -> int:
        return sum(row.redactions for row in self.rows)


def read(found: Iterable[Entry]) -> Summary:
    """Read a bundle to its end."""
    kept: dict[str, bytes] = {}
    odd: list[str] = []
    notes: list[str] = []
    entries = size = 0
    for entry in found:
        entries += 1
        size += entry.size
        if entry.odd:
            odd.append(f"{printable(entry.path)}: {entry.odd}")
        elif entry.path in kept:
            notes.append(f"{entry.path} is there twice; the first one counts")
        elif entry.path in _LIMITS:
            content = entry.content.take(_LIMITS[entry.path])
            if content is None:
                notes.append(f"{entry.path} is too long to be read")
            else:
                kept[entry.path] = content
    notes += [f"not touched: {text}" for text in odd[:_MOST_ODD]]
    if len(odd) > _MOST_ODD:
        notes.append(f"not touched: {len(odd) - _MOST_ODD} entries more")
    return _summary(kept, notes, entries, size)


def printable(value: object, limit: int = _MOST_WORDS) -> str:
    """Return a stranger's text for a terminal: one line, control characters escaped, cut where it is too long."""
    text = str(value)[: limit + 1].encode(errors="surrogateescape").decode(errors="backslashreplace")
    text = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _summary(kept: Mapping[str, bytes], notes: list[str], entries: int, size: int) -> Summary:
    manifest = _object(MANIFEST, kept, notes)
    doctor = _object(DOCTOR, kept, notes)
    if manifest.get("schemaVersion", 1) != 1:
        notes.append("the manifest has a newer form than this plug-in knows: some of it may be missing here")
    lines = kept.get(PEER_ERRORS, b"").decode(errors="replace").splitlines()
    return Summary(
        node=printable(manifest.get("node", "")),
        agent=printable(manifest.get("agentVersion", "")),
        started_at=printable(manifest.get("startedAt", "")),
        finished_at=printable(manifest.get("finishedAt", "")),
        categories=tuple(map(printable, _list(manifest.get("categories")))),
        rows=tuple(_row(row) for row in _list(manifest.get("outputs")) if isinstance(row, dict)),
        doctor=_doctor(doctor) if doctor else None,
        entries=entries,
        size=size,
        notes=tuple(notes),
        # Only a bundle of the peer's agent needs them: ours has the same in the manifest.
        peer_errors=() if manifest else tuple(map(printable, lines)),
    )


def _object(name: str, kept: Mapping[str, bytes], notes: list[str]) -> dict[str, Any]:
    if name not in kept:
        notes.append(f"the bundle has no {name}")
        return {}
    try:
        found = json.loads(kept[name])
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict):
        return found
    notes.append(f"{name} is no JSON object")
    return {}


def _row(row: Mapping[str, Any]) -> Row:
    return Row(
        path=printable(row.get("path", "?")),
        status=printable(row.get("status", "?")),
        error=printable(row.get("error") or ""),
        size=int(_number(row.get("bytesWritten"))),
        seconds=_number(row.get("seconds")),
        redactions=int(_number(row.get("redactions"))),
    )


def _doctor(found: Mapping[str, Any]) -> Doctor:
    headline = found.get("headline")
    checks = [check for check in _list(found.get("checks")) if isinstance(check, dict)]
    first = _cause(headline) if isinstance(headline, dict) else None
    bad = [check for check in checks if str(check.get("status")) in {"fail", "warn"}]
    return Doctor(
        healthy=found.get("healthy") is True,
        headline=first,
        others=tuple(_cause(check) for check in bad if first is None or check.get("id") != first.id),
    )


def _cause(found: Mapping[str, Any]) -> Cause:
    message = found.get("message") or "; ".join(str(found[key]) for key in ("evidence", "cause") if found.get(key))
    return Cause(printable(found.get("id", "?")), printable(message), printable(found.get("action") or ""))


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _number(value: object) -> float:
    # JSON knows 1e999 and NaN, which no integer is.
    return float(value) if isinstance(value, int | float) and 0 <= value < 1 << 50 else 0.0
