"""How summaries and results read, for people and for programs."""

import json
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from enum import StrEnum

from agent.redaction import redact
from kubectl_node_diagnostic.model import Result
from kubectl_node_diagnostic.summary import Row, Summary

_WIDTH = 100
_MOST_ROWS = 10
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


class Mark(StrEnum):
    """How a node's line begins."""

    GOOD = "ok"
    PARTIAL = "PART"
    BAD = "FAIL"


def whole(summary: Summary) -> str:
    """Return all of a summary: what `show` prints."""
    counts = ", ".join(f"{count} {status}" for status, count in sorted(summary.counts.items()))
    facts = {
        "node": summary.node,
        "collected": " to ".join(filter(None, (summary.started_at, summary.finished_at))),
        "agent": summary.agent,
        "categories": ", ".join(summary.categories),
        "outputs": counts,
        "content": f"{summary.entries} files, {amount(summary.size)}",
        "redacted": f"{summary.redactions} secrets" if summary.redactions else "",
    }
    blocks = [
        _column(facts),
        _doctor(summary, others=True),
        _rows("not whole", summary.failed),
        _rows("cut at its limit", summary.cut),
        _rows("largest", sorted((row for row in summary.rows if row.size), key=lambda row: -row.size)[:5]),
        _listed("errors", summary.peer_errors),
        _listed("notes", summary.notes),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def brief(result: Result) -> str:
    """Return what a person must know of one node's bundle."""
    lines = [f"{_mark(result):<4} {result.node}  {_outcome(result)}"]
    if result.problem:
        lines += _wrapped(result.problem, "  ")
    if result.hint:
        lines.append(f"  do: {result.hint}")  # in one piece: it may hold a command to copy
    if result.summary is not None:
        lines += [f"  {line}" for line in _doctor(result.summary, others=False).splitlines()]
        lines += [f"  {line}" for line in _rows("not whole", result.summary.failed, _MOST_ROWS).splitlines()]
        lines += [f"  note: {note}" for note in result.summary.notes]
    return redact("\n".join(lines))


def as_json(results: Iterable[Result]) -> str:
    """Return the results for programs."""
    return redact(json.dumps({"schemaVersion": 1, "nodes": [_result(result) for result in results]}, indent=2)) + "\n"


def summary_as_json(summary: Summary) -> str:
    """Return a summary for programs."""
    return json.dumps({"schemaVersion": 1, **_content(summary)}, indent=2) + "\n"


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows in columns, the first row as the head."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("   ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "\n".join(lines) + "\n"


def harmless(text: str) -> str:
    """Return a stranger's text for a terminal, with its lines and tabs."""
    return "".join(char if char.isprintable() or char in "\n\t" else repr(char)[1:-1] for char in text)


def amount(size: float) -> str:
    """Return a number of bytes for people."""
    unit = 0
    while size >= 1024 and unit < len(_UNITS) - 1:
        size, unit = size / 1024, unit + 1
    return f"{size:.0f} {_UNITS[unit]}" if unit == 0 or size >= 100 else f"{size:.1f} {_UNITS[unit]}"


def _mark(result: Result) -> Mark:
    if result.problem:
        return Mark.BAD
    return Mark.PARTIAL if result.reason == "SuccessWithErrors" else Mark.GOOD


def _outcome(result: Result) -> str:
    size = f", {amount(result.size)}" if result.size is not None else ""
    return f"{result.reason or 'no bundle'}{size}" + (f" -> {result.place}" if result.place else "")


def _doctor(summary: Summary, *, others: bool) -> str:
    doctor = summary.doctor
    if doctor is None:
        return ""
    lines = [] if doctor.headline else ["doctor: healthy" if doctor.healthy else "doctor: says not why"]
    if doctor.headline:
        lines += _wrapped(f"{doctor.headline.id}: {doctor.headline.message}", "doctor: ")
        lines += _wrapped(doctor.headline.action, "  do: ") if doctor.headline.action else []
    for cause in doctor.others if others else ():
        lines += _wrapped(f"{cause.id}: {cause.message}", "  also: ")
    return "\n".join(lines)


def _rows(title: str, rows: Sequence[Row], most: int | None = None) -> str:
    if not rows:
        return ""
    shown = rows[:most]
    width = min(48, max(len(row.path) for row in shown))
    lines = [f"  {row.path:<{width}}  {row.status:<9}  {row.error or amount(row.size)}".rstrip() for row in shown]
    more = [f"  and {len(rows) - len(shown)} more"] if len(shown) < len(rows) else []
    return "\n".join([f"{title}:", *lines, *more])


def _listed(title: str, lines: Sequence[str]) -> str:
    return "\n".join([f"{title}:", *(f"  {line}" for line in lines)]) if lines else ""


def _column(facts: dict[str, str]) -> str:
    return "\n".join(f"{name:<11} {value}" for name, value in facts.items() if value)


def _wrapped(text: str, start: str) -> list[str]:
    indent = " " * len(start)
    return textwrap.wrap(text, _WIDTH, initial_indent=start, subsequent_indent=indent, break_on_hyphens=False)


def _result(result: Result) -> dict[str, object]:
    return {
        "node": result.node,
        "reason": result.reason or None,
        "message": result.message or None,
        "bundle": result.place or None,
        "bytes": result.size,
        "sha256": result.sha256 or None,
        "problem": result.problem or None,
        "hint": result.hint or None,
        "summary": _content(result.summary) if result.summary else None,
    }


def _content(summary: Summary) -> dict[str, object]:
    return {
        "node": summary.node or None,
        "agentVersion": summary.agent or None,
        "startedAt": summary.started_at or None,
        "finishedAt": summary.finished_at or None,
        "categories": summary.categories,
        "outputs": summary.counts,
        "failed": [asdict(row) for row in summary.failed],
        "truncated": [asdict(row) for row in summary.cut],
        "doctor": asdict(summary.doctor) if summary.doctor else None,
        "entries": summary.entries,
        "bytes": summary.size,
        "redactions": summary.redactions,
        "errors": summary.peer_errors,
        "notes": summary.notes,
    }
