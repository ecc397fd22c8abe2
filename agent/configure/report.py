"""Prints what `settings check` found: JSON for programs, TOML and a verdict a line for people."""

import json
from collections.abc import Iterable

import tomli_w

from agent.configure.settings import Checked
from agent.model import Verdict


def as_json(checked: Checked) -> str:
    body = {
        "ok": checked.settings is not None,
        "settings": checked.accepted,
        "verdicts": as_objects(checked.verdicts),
    }
    return json.dumps(body, indent=2, sort_keys=True) + "\n"


def as_text(checked: Checked) -> str:
    body = tomli_w.dumps({"settings": checked.accepted})
    lines = [f"{each.level}: {_place(each)}: {each.message}\n" for each in checked.verdicts]
    usable = "usable\n" if checked.settings is not None else "not usable: kubelet would not start\n"
    return "\n".join([body, "".join(lines), usable] if lines else [body, usable])


def as_objects(verdicts: Iterable[Verdict]) -> list[dict[str, str]]:
    return [
        {"path": each.path, "level": each.level, "message": each.message, "source": each.source} for each in verdicts
    ]


def first_error(verdicts: Iterable[Verdict]) -> str:
    """Return the first error in one line, and how many more there are."""
    errors = [each for each in verdicts if each.level == "error"]
    others = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return ": ".join(part for part in (errors[0].path or errors[0].source, errors[0].message) if part) + others


def _place(verdict: Verdict) -> str:
    return f"{verdict.path} ({verdict.source})" if verdict.path else verdict.source
