"""Writing the object's status, and Events about it, however long the API server is away."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from agent import log, loop
from agent.diagnostics import api, report
from agent.diagnostics.api import NodeDiagnostic
from agent.diagnostics.means import Api, Observer
from agent.diagnostics.pulse import now_text
from agent.diagnostics.report import Ending, Run
from agent.errors import AgentError, FailedError, TemporaryError
from agent.loop import Backoff

_EVENTS = "/api/v1/namespaces/default/events"
_BACKOFF = Backoff(first=1.0, cap=60.0)
_NOT_FOUND = 404
_CONFLICT = 409


class Writer:
    """Writes what has changed, and nothing else."""

    def __init__(self, server: Api, observer: Observer) -> None:
        self._api = server
        self._observer = observer
        self._log = log.get("diagnostics")
        # What we wrote of an object: the watch may show it as it was before, and a patch replaces the whole list.
        self._written: tuple[str, dict[str, Mapping[str, Any]]] = ("", {})

    def running(self, kind: str, diagnostic: NodeDiagnostic, run: Run, text: str) -> None:
        """Say that a capture is under way, unless the status says so already; TemporaryError where that fails."""
        status = diagnostic.status(kind)
        if status is None or not status.running or status.capture_id != run.capture_id:
            self._patch(diagnostic, report.running(kind, run))
            self.tell(diagnostic, run, "Started", text)

    def completed(self, diagnostic: NodeDiagnostic, run: Run, ending: Ending) -> None:
        """Say how a capture ended; TemporaryError where it cannot be said now."""
        self._patch(diagnostic, report.completed(run, ending, now=now_text()))
        said = {"kind": ending.kind, "capture": run.capture_id, "reason": str(ending.reason), "message": ending.text}
        self._log.info("capture ended", **said)

    def tell(self, diagnostic: NodeDiagnostic, run: Run, what: str, text: str) -> None:
        """Make an Event; one that the server refuses is not worth a second try."""
        try:
            self._api.post(_EVENTS, report.event(diagnostic, run, what, text, now=now_text()))
        except AgentError as error:
            self._log.warning("no Event was made", error=str(error))

    def _patch(self, diagnostic: NodeDiagnostic, entry: Mapping[str, Any]) -> None:
        latest = api.current(self._observer.current)
        base = latest if latest is not None and latest.uid == diagnostic.uid else diagnostic
        written = self._written[1] if self._written[0] == base.uid else {}
        entries = {**base.entries, **written, str(entry["type"]): entry}
        path = f"{api.COLLECTION}/{diagnostic.name}/status"
        try:
            self._observer.current = self._api.patch(path, report.patch(base, entries, now=now_text()))
        except FailedError as error:
            # Gone, made anew, or only written by somebody at the same moment: the watch may be too late to tell.
            if getattr(error, "status", 0) in {_NOT_FOUND, _CONFLICT}:
                self._observer.ask_anew()
            # Missing RBAC, for one, is mended in the cluster while we wait.
            raise TemporaryError(error.message, hint=error.hint) from error
        self._written = (base.uid, {**written, str(entry["type"]): entry})


def patiently(write: Callable[[], None], wait: Callable[[float], object]) -> None:
    """Write however long the API server is away; `wait` may raise to give the writing up."""
    loop.retry(write, within=math.inf, backoff=_BACKOFF, wait=wait)
