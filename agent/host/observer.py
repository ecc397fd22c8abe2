"""One object of the API server, kept current: one list, then a bounded watch of this object alone."""

import random
import select
import time
from dataclasses import dataclass

from agent.errors import AgentError, FailedError
from agent.host.kube import Kube, Object, Watch
from agent.host.tls import Tick
from agent.loop import Backoff

# client-go's bounds of a watch, so that 10,000 watches do not end together.
_WATCH_SECONDS = (300, 600)
_SLICE = 1.0
# A watch that says nothing at all for this long is dead: a bookmark comes every minute or so.
_SILENCE_SECONDS = 660.0
_BACKOFF = Backoff(first=2.0, cap=60.0)


@dataclass(slots=True)
class _Attempts:
    """When the API server may be asked again."""

    failures: int = 0
    not_before: float = 0.0


class Observer:
    """The object `name` of a collection as the API server last showed it; None where there is none.

    Trouble with the server is kept in `trouble` and tried again with growing delays; it never raises out of here.
    """

    def __init__(self, kube: Kube, collection: str, name: str) -> None:
        self.current: Object | None = None
        # Whether the server has been asked with success: before that, a `current` of None means nothing.
        self.synced = False
        self.trouble: AgentError | None = None
        self._kube = kube
        self._collection = collection
        self._own = {"fieldSelector": f"metadata.name={name}"}
        self._version = ""
        self._watch: Watch | None = None
        self._heard = 0.0
        self._attempts = _Attempts()

    def close(self) -> None:
        """End the watch; the next look opens another."""
        if self._watch is not None:
            self._watch.close()
            self._watch = None

    def ask_anew(self) -> None:
        """Have the next look ask for the object itself: a write was refused, and a dead watch would not say why."""
        self.close()
        self._version = ""

    def wait(self, seconds: float, tick: Tick) -> None:
        """Wait until something was heard of the object, for at most `seconds`; `tick` runs at least once a second."""
        deadline = time.monotonic() + seconds
        while not self.look() and (left := deadline - time.monotonic()) > 0:
            readers = [self._watch] if self._watch else []
            select.select(readers, [], [], min(left, _SLICE))
            tick()

    def look(self) -> bool:
        """Take in what has come, without waiting for more; return whether anything was heard of the object."""
        try:
            heard = self._listen() if self._watch else self._begin()
        except AgentError as error:
            self.close()
            self.trouble = error
            delay = max(_BACKOFF.delay(self._attempts.failures), getattr(error, "retry_after", None) or 0.0)
            self._attempts.failures += 1
            self._attempts.not_before = time.monotonic() + delay
            return False
        return heard

    def _begin(self) -> bool:
        if time.monotonic() < self._attempts.not_before:
            return False
        known = (self.synced, self.current)
        if not self._version:
            self._list()
        parameters = {
            **self._own,
            "resourceVersion": self._version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(random.randint(*_WATCH_SECONDS)),
        }
        self._watch = self._kube.watch(self._collection, parameters)
        self._heard = time.monotonic()
        self._attempts = _Attempts()
        self.trouble = None
        return (self.synced, self.current) != known

    def _list(self) -> None:
        # A list of one: only a collection's version tells a watch where to begin while the object is absent.
        body = self._kube.get(self._collection, self._own)
        if body is None:
            raise FailedError(
                f"the API server has no {self._collection}",
                hint="apply the CustomResourceDefinition: node-agent manifests | kubectl apply -f -",
            )
        items = body["items"]
        self.current = items[0] if items else None
        self._version = str(body["metadata"]["resourceVersion"])
        self.synced = True

    def _listen(self) -> bool:
        assert self._watch is not None  # noqa: S101 - the caller looked
        events = self._watch.poll()
        if events is None or time.monotonic() - self._heard > _SILENCE_SECONDS:
            self.close()
            return False
        if events:
            self._heard = time.monotonic()
        # Every event is taken in, also after one that counts.
        return sum(self._take(event["type"], event["object"]) for event in events) > 0

    def _take(self, kind: str, body: Object) -> bool:
        if kind == "ERROR":
            # 410 Gone: what happened since our version is forgotten, so list again; any other error likewise.
            self.ask_anew()
            return False
        self._version = str(body["metadata"]["resourceVersion"])
        if kind == "BOOKMARK":
            return False
        self.current = None if kind == "DELETED" else body
        return True
