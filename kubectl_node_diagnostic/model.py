"""What a run of the plug-in is about, as frozen values."""

from dataclasses import dataclass, replace
from enum import StrEnum

from kubectl_node_diagnostic.summary import Summary


class Phase(StrEnum):
    """Where the work for a node stands."""

    QUEUED = "waiting for its turn"
    REQUESTED = "requested"
    RUNNING = "collecting"
    FETCHING = "fetching"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one node; a `problem` means that no whole bundle arrived, `place` is where it lies now."""

    node: str
    reason: str = ""
    message: str = ""
    place: str = ""
    size: int | None = None
    sha256: str = ""
    problem: str = ""
    hint: str = ""
    summary: Summary | None = None

    def failed(self, problem: str, hint: str) -> "Result":
        """Return the same with a problem, or with one more."""
        return replace(self, problem="; ".join(filter(None, (self.problem, problem))), hint=self.hint or hint)
