"""Wait for a condition, with a deadline and a reason when it passes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

INTERVAL = 0.1


class WaitError(Exception):
    """The deadline passed first."""


def until(probe: Callable[[], T | None], timeout: float, what: str, interval: float = INTERVAL) -> T:
    """Call the probe until it returns something true, and return that."""
    deadline = time.monotonic() + timeout
    pause = threading.Event()
    while True:
        found = probe()
        if found:
            return found
        if time.monotonic() >= deadline:
            raise WaitError(f"waited {timeout:g} s in vain: {what}")
        pause.wait(interval)
