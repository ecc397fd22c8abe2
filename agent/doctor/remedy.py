"""Remedies: the likely cause of each kind of trouble, and what to do about it."""

from collections.abc import Mapping
from typing import NamedTuple

from agent.doctor.evidence import Trouble
from agent.doctor.report import Finding


class Remedy(NamedTuple):
    """The likely cause of a kind of trouble, and what to do."""

    cause: str
    action: str


_UNEXPECTED = Remedy("", "")


def failed(trouble: Trouble, remedies: Mapping[str, Remedy]) -> Finding:
    """Return the verdict on a probe that failed."""
    remedy = remedies.get(trouble.kind, _UNEXPECTED)
    return Finding(
        "fail",
        trouble.message,
        remedy.cause,
        remedy.action or trouble.hint or "see the console's section statuses, and the journal of kubelet",
    )
