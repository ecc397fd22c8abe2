"""All that can be said of documents without the machine: what they come to, and what is odd though accepted."""

from collections.abc import Sequence
from dataclasses import replace

from agent.configure import render, settings
from agent.configure.merging import Document
from agent.configure.settings import Checked
from agent.model import Verdict

# A document of a megabyte may hold thousands of bad keys; nobody reads them all, and a status file has its limit.
_MOST_VERDICTS = 100


def check(documents: Sequence[Document]) -> Checked:
    checked = settings.check(documents)
    odd = render.remarks_of_settings(checked.settings) if checked.settings else ()
    return replace(checked, verdicts=_errors_first([*checked.verdicts, *checked.sourced(odd)]))


def _errors_first(verdicts: Sequence[Verdict]) -> tuple[Verdict, ...]:
    ordered = sorted(verdicts, key=lambda verdict: verdict.level != "error")
    left = len(ordered) - _MOST_VERDICTS
    if left <= 0:
        return tuple(ordered)
    return (*ordered[:_MOST_VERDICTS], Verdict("", "warning", f"and {left} more", settings.USER_DATA))
