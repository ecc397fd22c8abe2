"""What the plug-in does on the cluster: nodes, and NodeDiagnostic objects from creation to deletion."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from threading import Event
from typing import IO, TypeVar
from urllib.parse import quote, urlencode

from agent.diagnostics.api import COLLECTION
from agent.errors import FailedError, TemporaryError
from agent.loop import retry
from kubectl_node_diagnostic import objects
from kubectl_node_diagnostic.kubectl import Kubectl
from kubectl_node_diagnostic.objects import Capture, Diagnostic

T = TypeVar("T")

_TRY_SECONDS = 60.0
_CLEAN_UP_SECONDS = 20.0
_WATCH_SECONDS = 240
_SILENCE_SECONDS = 60.0
_MOST_LINE = 4 << 20
_CHUNK = 1 << 16


class Stopped(Exception):  # noqa: N818 - a wish, not an error
    """The user wants no more."""


class Cluster:
    """The cluster of the user's kubeconfig; threads may share it."""

    def __init__(self, kubectl: Kubectl, stop: Event) -> None:
        self._kubectl = kubectl
        self._stop = stop

    def check_stop(self) -> None:
        if self._stop.is_set():
            raise Stopped

    def pause(self, seconds: float) -> None:
        """Wait, unless the user wants no more."""
        self._stop.wait(seconds)
        self.check_stop()

    def select(self, selector: str) -> list[str]:
        """Return the names of the nodes that a label selector matches."""
        path = f"{objects.NODES}?{urlencode({'labelSelector': selector})}"
        found = self._patiently(lambda: self._kubectl.get(path, "nodes")) or {}
        return sorted(str(item["metadata"]["name"]) for item in found.get("items", ()))

    def has_node(self, name: str) -> bool:
        return self._patiently(lambda: self._kubectl.get(f"{objects.NODES}/{quote(name)}", f"node {name}")) is not None

    def find(self, name: str) -> Diagnostic | None:
        found = self._patiently(lambda: self._kubectl.get(objects.path(name), f"NodeDiagnostic {name}"))
        return objects.parse(found) if found else None

    def ours(self) -> list[Diagnostic]:
        """Return the objects that the plug-in made, in any run."""
        found = self._patiently(lambda: self._kubectl.get(objects.ours_path(), "NodeDiagnostics"))
        return [objects.parse(item) for item in (found or {}).get("items", ())]

    def create(self, name: str, *, destination: str, bundle: str, categories: Sequence[str], run: str) -> Diagnostic:
        """Ask a node for a bundle; an object of somebody else is left alone and said."""
        body = objects.body(name, destination=destination, bundle=bundle, categories=categories, run=run)

        def create() -> Diagnostic:
            made = self._kubectl.create(COLLECTION, body, f"creating NodeDiagnostic {name}")
            if made is not None:
                return objects.parse(made)
            found = self.find(name)
            if found is None:
                raise TemporaryError(f"NodeDiagnostic {name} comes and goes")
            if found.run != run:  # else an answer to our own request was lost
                message, hint = objects.in_the_way(found)
                raise FailedError(message, hint=hint)
            return found

        # Not to be stopped half-way: what was made must be known, or it is never deleted.
        return retry(create, within=_CLEAN_UP_SECONDS)

    def wait(self, made: Diagnostic, *, seconds: float, started: Callable[[], None]) -> Capture:
        """Wait until the capture has ended, and return how; `started` is called when the node has taken it up."""
        deadline = time.monotonic() + seconds
        while True:
            current = self._current(made)
            for seen in self._changes(current, deadline):
                _must_be(made, seen)
                if seen.capture is not None:
                    started()
                if seen.ended is not None:
                    return seen.ended
            self.check_stop()
            if time.monotonic() >= deadline:
                raise FailedError(_silence(made, current, seconds), hint=_SILENT_HINT)

    def fetch(self, node: str, target: IO[bytes], *, limit: int) -> None:
        """Copy the bundle that a node kept."""
        what = f"the bundle of {node}"
        try:
            with self._kubectl.stream(objects.log_path(node), what, silence=_SILENCE_SECONDS) as response:
                left = limit
                while chunk := response.read(_CHUNK):
                    left -= len(chunk)
                    if left < 0:
                        raise FailedError(f"{what} is longer than the {limit} bytes it should have", hint="try again")
                    target.write(chunk)
        finally:
            self.check_stop()

    def delete(self, made: Diagnostic) -> None:
        """Delete an object that we made, unless somebody has edited or replaced it; also after a stop."""
        path, what = objects.path(made.name), f"deleting NodeDiagnostic {made.name}"

        def delete() -> None:
            found = self._kubectl.get(path, what)
            if found is not None and objects.parse(found).same(made):
                self._kubectl.delete(path, objects.precondition(made), what)

        retry(delete, within=_CLEAN_UP_SECONDS)

    def _current(self, made: Diagnostic) -> Diagnostic:
        found = self.find(made.name)
        if found is None:
            raise FailedError(f"NodeDiagnostic {made.name} was deleted by somebody else", hint="collect again")
        _must_be(made, found)
        return found

    def _changes(self, current: Diagnostic, deadline: float) -> Iterator[Diagnostic]:
        """Yield the object as it is and as it becomes, until the server or the deadline ends the watch."""
        yield current
        left = int(min(_WATCH_SECONDS, deadline - time.monotonic())) + 1
        if self._stop.is_set() or left <= 0:
            return
        try:
            path = objects.watch_path(current, left)
            with self._kubectl.stream(path, f"watching {current.name}", silence=left + _SILENCE_SECONDS) as events:
                for line in events.lines(_MOST_LINE):
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        return  # the version is too old: look anew
                    yield objects.parse(event["object"])
        except (TemporaryError, ValueError):
            self.pause(1.0)  # a server that restarts: look anew

    def _patiently(self, call: Callable[[], T]) -> T:
        return retry(call, within=_TRY_SECONDS, wait=self.pause)


_SILENT_HINT = "is the agent running there? kubectl describe node; else its console, or a longer --timeout"


def _silence(made: Diagnostic, current: Diagnostic, seconds: float) -> str:
    what = "not ended" if current.capture else "not taken up"
    return f"{made.name} has {what} the capture within {seconds:g} s"


def _must_be(made: Diagnostic, seen: Diagnostic) -> None:
    if not seen.same(made):
        raise FailedError(f"NodeDiagnostic {made.name} was changed by somebody else", hint="collect again")
