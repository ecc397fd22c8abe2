"""Cuts secrets out of a stream at the speed of a disk: RE2 finds the few lines that a rule may be about.

Only the collector imports it: RE2 costs 3 MiB, and reads log text at ten times the speed of `re`.
"""

from collections.abc import Generator, Iterator
from typing import Any

import re2

from agent.redaction import cut_secrets
from agent.redaction_rules import TRIGGERS
from agent.redaction_spans import end_of_secret

# A line that is longer is cut where no secret stands; from the second length on anywhere: memory must end somewhere.
_LONG_LINE, _LONGEST_LINE = 256 << 10, 1 << 20
# How far around the cut is looked, how often another place is tried, and how far from the last.
_AROUND, _TRIES, _STEP = 20 << 10, 8, 8 << 10


class Redactor:
    """Whole lines at a time, and a secret over many lines in one piece. What is no text passes unchanged."""

    def __init__(self) -> None:
        self.count = 0
        self._held = b""
        self._next_try = _LONG_LINE

    def feed(self, data: bytes) -> Iterator[bytes | memoryview]:
        """Take what came, and give what can be passed on."""
        data = self._held + data if self._held else data
        passed = yield from self._cut(data, self._seam(data), ends=False)
        self._held = data[passed:]

    def close(self) -> Iterator[bytes | memoryview]:
        """Give the rest."""
        data, self._held = self._held, b""
        yield from self._cut(data, len(data), ends=True)

    def _cut(self, data: bytes, end: int, *, ends: bool) -> Generator[bytes | memoryview, None, int]:
        """Pass on what stands before `end`, and say where it stopped: before a secret that may not have ended yet."""
        view, passed = memoryview(data), 0
        while found := _FIND(data, passed, end):
            first = data.rfind(b"\n", passed, found.start()) + 1 or passed
            last = end_of_secret(data, first, found.end(), end)
            if first > passed:
                yield view[passed:first]
            passed = first
            if last is None and not ends and len(data) - first < _LONG_LINE:
                return first
            passed = end if last is None else last
            redacted = cut_secrets(data[first:passed].decode(errors="surrogateescape"))
            self.count += redacted.count
            yield redacted.text.encode(errors="surrogateescape")
        if passed < end:
            yield view[passed:end]
        return end

    def _seam(self, data: bytes) -> int:
        """Return where a block may end: after a line; of a long one, where no secret is cut in two."""
        if seam := data.rfind(b"\n") + 1:
            return seam
        if len(data) < self._next_try:
            return 0
        seam = _gap(data) or (len(data) if len(data) >= _LONGEST_LINE else 0)
        self._next_try = _LONG_LINE if seam else len(data) + _LONG_LINE
        return seam


def _gap(data: bytes) -> int:
    """Return a place near the end, after a word if there is one, where a secret neither stands nor goes on."""
    newest = len(data) - _AROUND
    for place in range(newest, newest - _TRIES * _STEP, -_STEP):
        seam = data.rfind(b" ", place - _STEP, place) + 1 or place
        if _parts(data[seam - _AROUND : seam], data[seam : seam + _AROUND]):
            return seam
    return 0


def _parts(before: bytes, after: bytes) -> bool:
    """Say whether the same is cut out of two pieces as out of both in one."""
    if not _FIND(before + after):
        return True
    left, right = before.decode(errors="surrogateescape"), after.decode(errors="surrogateescape")
    return cut_secrets(left).text + cut_secrets(right).text == cut_secrets(left + right).text


def _compiled() -> Any:
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.never_capture = True
    return re2.compile(TRIGGERS.encode(), options).search


_FIND = _compiled()
