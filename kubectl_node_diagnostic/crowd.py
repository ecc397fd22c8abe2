"""Many nodes at a time: a bounded number of threads, news of each, and an orderly end when the user wants no more."""

import contextlib
import queue
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Protocol

from kubectl_node_diagnostic.model import Phase, Result

_TICK_SECONDS = 0.5


class Watcher(Protocol):
    """Who is told how a run goes."""

    def moved(self, node: str, phase: Phase) -> None: ...

    def ended(self, result: Result) -> None: ...

    def tick(self) -> None: ...


@dataclass(frozen=True, slots=True)
class News:
    """What threads tell the main thread."""

    queue: SimpleQueue[tuple[str, Phase] | Result] = field(default_factory=SimpleQueue)

    def say(self, node: str, phase: Phase) -> None:
        self.queue.put((node, phase))


def start(nodes: Sequence[str], work: Callable[[str], Result], news: News, *, parallel: int) -> list[threading.Thread]:
    """Work on the nodes, at most `parallel` at a time, in threads that do not keep the process alive."""
    waiting: SimpleQueue[str] = SimpleQueue()
    for node in nodes:
        waiting.put(node)

    def worker() -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                node = waiting.get_nowait()
                result = Result(node).failed("the plug-in failed", "report it, with the traceback above")
                try:
                    result = work(node)
                finally:
                    news.queue.put(result)

    threads = [threading.Thread(target=worker, daemon=True) for _ in range(min(parallel, len(nodes)))]
    for thread in threads:
        thread.start()
    return threads


def results(threads: Sequence[threading.Thread], news: News, watcher: Watcher) -> Iterator[Result]:
    """Yield each result as it comes, until no thread works and no news is left."""
    more = True
    while more:
        # Looked at before the queue: what a thread said before it ended is in there.
        more = any(thread.is_alive() for thread in threads)
        with contextlib.suppress(queue.Empty):
            found = news.queue.get(timeout=_TICK_SECONDS if more else 0.0)
            more = True
            if isinstance(found, Result):
                watcher.ended(found)
                yield found
            else:
                watcher.moved(*found)
        watcher.tick()


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Let a termination or a closed terminal end the run as Ctrl-C does: what was made is deleted."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
