"""Threads: the one bounded pool, for calls into the C library that know no time limit (getaddrinfo)."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TypeVar

T = TypeVar("T")


class Pool:
    """At most `size` calls at once. A call that never returns costs its thread, not the end of the process.

    `concurrent.futures.ThreadPoolExecutor` would wait for it when the interpreter ends.
    """

    def __init__(self, size: int) -> None:
        self._jobs: SimpleQueue[Callable[[], None]] = SimpleQueue()
        for number in range(size):
            threading.Thread(target=self._work, name=f"pool-{number}", daemon=True).start()

    def start(self, call: Callable[[], T]) -> Future[T]:
        """Queue a call; the future gives what it returns, or raises what it raises."""
        future: Future[T] = Future()
        self._jobs.put(lambda: _carry_out(call, future))
        return future

    def _work(self) -> None:
        while True:
            self._jobs.get()()


def _carry_out(call: Callable[[], T], future: Future[T]) -> None:
    try:
        future.set_result(call())
    except BaseException as error:  # noqa: BLE001 - nothing is swallowed: it is raised anew where the result is asked for
        future.set_exception(error)
