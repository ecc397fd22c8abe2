"""A child of this process: works on its own with what is in memory now, secrets too, and ends with its parent."""

import gc
import os
import select
import signal
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from agent import log
from agent.errors import AgentError

_SLICE = 0.5
_STANDARD = 3


class OrphanedError(Exception):
    """The parent has ended."""


@dataclass(frozen=True, slots=True)
class Parent:
    """The parent as the child sees it."""

    pid: int

    def tick(self) -> None:
        """End the work where nobody waits for it any more; to be called during every wait."""
        if os.getppid() != self.pid:
            raise OrphanedError

    def wait(self, seconds: float) -> None:
        while seconds > 0:
            select.select([], [], [], min(seconds, _SLICE))
            seconds -= _SLICE
            self.tick()


class Child:
    """A process that runs `work` once; it is started by fork, so the caller must have no threads."""

    def __init__(self, work: Callable[[Parent], None], *, keep: int = _STANDARD - 1) -> None:
        """Start it, with the standard descriptors and `keep` left open."""
        parent = Parent(os.getpid())
        self._pid: int | None = os.fork()
        if self._pid == 0:
            _run(work, parent, keep)

    @property
    def running(self) -> bool:
        if self._pid is not None and os.waitpid(self._pid, os.WNOHANG)[0]:
            self._pid = None
        return self._pid is not None

    def stop(self) -> None:
        """End it at once: what it has written down is all that counts."""
        if self._pid is not None:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            self._pid = None


def _run(work: Callable[[Parent], None], parent: Parent, keep: int) -> None:
    """Be the child: never return into the parent's code."""
    status = 1
    try:
        # SIGTERM is for the parent, which decides what is still to be sent.
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        # The parent's connections are its own; its objects, which this process never frees, must not close ours.
        gc.freeze()
        os.closerange(_STANDARD, keep)
        os.closerange(keep + 1, os.sysconf("SC_OPEN_MAX"))
        work(parent)
        status = 0
    except OrphanedError:
        status = 0
    except AgentError as error:
        log.get("child").error(error.message, hint=error.hint)
    finally:
        if status:
            traceback.print_exc()
        os._exit(status)
