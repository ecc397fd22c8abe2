"""The VPC CNI's daemon: where it runs the ENIs are its own, and nothing is changed here."""

from collections.abc import Callable

URL = "127.0.0.1:61679"
READ_ONLY = f"read-only: the VPC CNI answers on {URL}, so nothing is changed here"
# It does not answer while it is replaced, its image pulled anew, or its process started again.
AWAY = 300.0


class VpcCni:
    """Whether it runs here, or did a moment ago; `answers` asks it."""

    def __init__(self, answers: Callable[[], bool]) -> None:
        self._answers = answers
        self._met: float | None = None

    def is_here(self, now: float) -> bool:
        """Whether the node is its own."""
        if self._answers():
            self._met = now
        return self._met is not None and now - self._met < AWAY
