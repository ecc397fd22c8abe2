"""When the kernel told of each change in a namespace, on the clock that the metadata service notes requests by."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from network.behaviour.news import Event, News

PATIENCE = 60.0


@dataclass(frozen=True)
class Timed:
    """An event, and when it was heard."""

    at: float
    event: Event


class KernelClock:
    """Notes events from now on, in a thread of its own."""

    def __init__(self, namespace: str) -> None:
        self._news = News(namespace)
        self._heard: list[Timed] = []
        self._changed = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._ended = True
        self._thread.join()
        self._news.close()

    def forget(self) -> None:
        with self._changed:
            self._heard.clear()

    def when(self, fits: Callable[[Event], bool], *, count: int = 1) -> float:
        """Wait for as many events that fit, counted since the last `forget`; returns when the last of them came."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self._fitting(fits)) >= count, PATIENCE), "no such event"
            return self._fitting(fits)[count - 1].at

    def last(self, fits: Callable[[Event], bool]) -> float:
        """Return when the last event that fits came."""
        with self._changed:
            return self._fitting(fits)[-1].at

    def events(self) -> list[Event]:
        with self._changed:
            return [each.event for each in self._heard]

    def _fitting(self, fits: Callable[[Event], bool]) -> list[Timed]:
        return [each for each in self._heard if fits(each.event)]

    def _listen(self) -> None:
        while not self._ended:
            if self._news.wait(0.1):
                now = time.monotonic()
                with self._changed:
                    self._heard += [Timed(now, event) for event in self._news.take()]
                    self._changed.notify_all()
