"""The doctor's report: checks in the order of causes, its headline, and how programs and people read it."""

import json
import textwrap
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from agent import agent_version, redacted_json
from agent.redaction import redact

# What a check may say, the worst first.
STATUSES = ("fail", "unknown", "warn", "ok", "skipped")
# Where a report is published.
PATH = "/run/node-agent/doctor.json"
# The type of the Node condition that says what the doctor found.
CONDITION = "DoctorHealthy"
# How the line of a healthy node begins, and no other.
HEALTHY = "healthy: "
# What stands before the cause and the action in a headline.
CAUSE = "; likely cause: "
ACTION = " -> "
_JOINED = "this node has joined its cluster and is Ready"

_SCHEMA_VERSION = 1
_WIDTH = 80
# Columns before the evidence: the status and the longest check id ("authentication").
_INDENT = 23
_MARKS = {"ok": "ok", "warn": "WARN", "fail": "FAIL", "unknown": "?", "skipped": "-"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One verdict: what was seen, its likely cause and what to do; `status` is ok, warn, fail, unknown or skipped."""

    status: str
    evidence: str
    cause: str = ""
    action: str = ""

    @property
    def good(self) -> bool:
        return self.status in {"ok", "warn"}


@dataclass(frozen=True, slots=True)
class Check(Finding):
    """A verdict and the check that it is of."""

    id: str = ""


@dataclass(frozen=True, slots=True)
class Headline:
    """The first cause, and what to do about it."""

    id: str
    message: str
    action: str


@dataclass(frozen=True, slots=True)
class Episode:
    """A trouble that is over: the check that failed, its headline, and from when to when (RFC 3339)."""

    id: str
    headline: str
    began: str
    ended: str


@dataclass(frozen=True, slots=True)
class Announced:
    """What the Node object, of that uid, says of the node's health already.

    `since` is when its status changed, `heartbeat` when it was written last.
    """

    uid: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    since: str = ""
    heartbeat: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """The checks of one run, in the order of causes.

    `since` is when the headline became what it is, `trouble` what lasted longest in this boot and is over, and
    `announced` is None where the Node object was not seen.
    """

    checks: tuple[Check, ...]
    examined_at: str = ""
    since: str = ""
    trouble: Episode | None = None
    announced: Announced | None = None

    @property
    def healthy(self) -> bool:
        return all(check.good for check in self.checks)

    def only(self, ids: Collection[str]) -> "Report":
        """Return the report of some checks."""
        return Report(tuple(check for check in self.checks if check.id in ids))

    @property
    def worst_first(self) -> "Report":
        """Return the report with what fails before what does not; its headline is the same."""
        return replace(self, checks=tuple(sorted(self.checks, key=lambda check: STATUSES.index(check.status))))

    @property
    def failed(self) -> bool:
        return any(check.status == "fail" for check in self.checks)

    @property
    def headline(self) -> Headline | None:
        """The first check that fails, else the first that could not be decided; None on a healthy node."""
        for status in ("fail", "unknown", "skipped"):
            for check in self.checks:
                if check.status == status:
                    return Headline(check.id, _message(check), check.action)
        return None


def _message(check: Check) -> str:
    cause = f"{CAUSE}{check.cause}" if check.evidence and check.cause else check.cause
    return redact(check.evidence + cause)


def as_json(report: Report) -> str:
    """Render the report for programs."""
    body = {
        "schemaVersion": _SCHEMA_VERSION,
        "agentVersion": agent_version(),
        "examinedAt": report.examined_at,
        "healthy": report.healthy,
        "failed": report.failed,
        "headline": asdict(report.headline) if report.headline else None,
        "since": report.since,
        "trouble": asdict(report.trouble) if report.trouble else None,
        "checks": [
            {"id": check.id, **{name: getattr(check, name) for name in ("status", "evidence", "cause", "action")}}
            for check in report.checks
        ],
    }
    return redacted_json.dumps(body) + "\n"


def recalled(glance: Report, published: str | None) -> Report:
    """Return what the last look of this boot found, and what a glance sees to have failed since; else the glance."""
    body = json_object(published)
    listed = body.get("checks")
    found = tuple(filter(None, map(_check, listed if isinstance(listed, list) else ())))
    if not found:
        return glance
    failed = {check.id: check for check in glance.checks if check.status == "fail"}
    checks = tuple(failed.get(check.id, check) for check in found)
    return Report(checks, str(body.get("examinedAt", "")), str(body.get("since", "")), episode(body.get("trouble")))


def _check(body: object) -> Check | None:
    if not isinstance(body, dict) or body.get("status") not in STATUSES:
        return None
    return Check(*(str(body.get(key, "")) for key in ("status", "evidence", "cause", "action", "id")))


def episode(body: object) -> Episode | None:
    """Read a past trouble as a report has it."""
    if not isinstance(body, dict):
        return None
    return Episode(*(str(body.get(key, "")) for key in ("id", "headline", "began", "ended")))


def json_object(text: str | None) -> Mapping[str, Any]:
    """Read an object; what is none is an empty one."""
    try:
        body = json.loads(text or "{}")
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def as_line(report: Report) -> str:
    """Render the headline as the one line that begins and ends a console cycle."""
    headline = report.headline
    if headline is not None:
        return as_sentence(headline.id, headline.message, headline.action)
    before = report.trouble
    earlier = f"; from {before.began} to {before.ended} it was not: {before.headline}" if before else ""
    return f"{HEALTHY}{_JOINED}{earlier}"


def glimpse(published: str | None) -> str:
    """Return what a published report says first, as an addition to a daemon's status line; nothing without one."""
    body = json_object(published)
    try:
        headline = body.get("headline")
        said = f"{headline['id']}: {headline['message']}" if headline else _JOINED
        return f"; doctor at {body['examinedAt']}: {redact(' '.join(said.split()))}"
    except (LookupError, TypeError, AttributeError):
        return ""


def as_sentence(check: str, message: str, action: str) -> str:
    """Return a headline in one line: the check, what is wrong with it, and what to do."""
    return redact(" ".join(f"{check}: {message}{ACTION + action if action else ''}".split()))


def as_text(report: Report) -> str:
    """Render the report for people: the first cause, then every check, in 80 columns."""
    lines = _headline_lines(report)
    first = report.headline.id if report.headline else ""
    for check in report.checks:
        lines += _check_lines(check, explain=not check.good and check.id != first)
    return "\n".join(lines) + "\n"


def as_rows(report: Report) -> str:
    """Render the checks alone."""
    lines = [line for check in report.checks for line in _check_lines(check, explain=not check.good)]
    return "\n".join(lines) + "\n"


def _headline_lines(report: Report) -> list[str]:
    headline = report.headline
    if headline is None:
        before = report.trouble
        said = f"Earlier, from {before.began} to {before.ended}: {before.headline}" if before else ""
        return [f"T{_JOINED[1:]}.", *(_wrapped(said, "", "  ") if said else []), ""]
    title = "FIRST CAUSE" if report.failed else "NOT YET KNOWN"
    lines = _wrapped(f"{title}: {headline.id}: {headline.message}", "", "  ")
    if headline.action:
        lines += _wrapped(headline.action, "DO: ", "  ")
    return [*lines, ""]


def _check_lines(check: Check, *, explain: bool) -> list[str]:
    start = f"{_MARKS[check.status]:<5} {check.id:<{_INDENT - 7}} "
    indent = " " * _INDENT
    lines = _wrapped(check.evidence or check.cause, start, indent)
    if explain and check.evidence and check.cause:
        lines += _wrapped(check.cause, f"{indent}cause: ", indent)
    if explain and check.action:
        lines += _wrapped(check.action, f"{indent}do: ", indent)
    return lines


def _wrapped(text: str, first: str, rest: str) -> list[str]:
    """Return lines without secrets: a cut in several texts at once may run from one into the next."""
    lines = textwrap.wrap(
        redact(text),
        _WIDTH,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return lines or [first.rstrip()]
