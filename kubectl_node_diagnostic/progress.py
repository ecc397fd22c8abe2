"""How a run looks while it goes on: live lines on a terminal, a line for each change elsewhere."""

import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TextIO

from kubectl_node_diagnostic.model import Phase, Result
from kubectl_node_diagnostic.report import amount

_MOST_LINES = 12
_UP_AND_CLEAR = "\033[{}F\033[J"


@dataclass(frozen=True, slots=True)
class Step:
    """What a node is at, and since when."""

    phase: Phase
    since: float


def ended_line(result: Result) -> str:
    """Return the line of a node whose work is done."""
    size = f", {amount(result.size)}" if result.size is not None else ""
    return f"{result.node}: {result.problem or (result.reason or 'requested') + size}"


def live_lines(steps: Mapping[str, Step], *, done: int, total: int, now: float, columns: int) -> list[str]:
    """Return the block at the end of a terminal: the nodes at work, the slowest first, and the count."""
    slowest = sorted(steps.items(), key=lambda item: item[1].since)
    lines = [f"  {node}  {step.phase}  {now - step.since:.0f} s" for node, step in slowest[:_MOST_LINES]]
    if len(slowest) > _MOST_LINES:
        lines.append(f"  and {len(slowest) - _MOST_LINES} more")
    lines.append(f"{done} of {total} done, {len(steps)} at work")
    # A line that wraps would make the block higher than what is cleared.
    return [line[: columns - 1] for line in lines]


class Plain:
    """A line for each change."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._phases: dict[str, Phase] = {}

    def moved(self, node: str, phase: Phase) -> None:
        if self._phases.get(node) is not phase:
            self._phases[node] = phase
            self._write(f"{node}: {phase}")

    def ended(self, result: Result) -> None:
        self._write(ended_line(result))

    def tick(self) -> None:
        pass

    def close(self) -> None:
        pass

    def say(self, line: str) -> None:
        """Say what is not about a node."""
        self._write(line)

    def _write(self, line: str) -> None:
        _put(self._stream, f"{line}\n")


class Live:
    """A block of lines that is drawn anew, below the lines of what is done."""

    def __init__(self, stream: TextIO, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._total = total
        self._clock = clock
        self._steps: dict[str, Step] = {}
        self._done = 0
        self._drawn = 0

    def moved(self, node: str, phase: Phase) -> None:
        step = self._steps.get(node)
        if step is None or step.phase is not phase:
            self._steps[node] = Step(phase, self._clock())

    def ended(self, result: Result) -> None:
        self._steps.pop(result.node, None)
        self._done += 1
        self._draw([ended_line(result)])

    def tick(self) -> None:
        self._draw([])

    def close(self) -> None:
        """Take the block away."""
        _put(self._stream, _UP_AND_CLEAR.format(self._drawn) if self._drawn else "")
        self._drawn = 0

    def say(self, line: str) -> None:
        """Say what is not about a node, above the block."""
        self._draw([line])

    def _draw(self, above: list[str]) -> None:
        columns = shutil.get_terminal_size().columns
        block = live_lines(self._steps, done=self._done, total=self._total, now=self._clock(), columns=columns)
        start = _UP_AND_CLEAR.format(self._drawn) if self._drawn else ""
        _put(self._stream, start + "".join(f"{line}\n" for line in [*above, *block]))
        self._drawn = len(block)


def _put(stream: TextIO, text: str) -> None:
    """Write; a terminal that was closed must not keep the objects of the run from being deleted."""
    try:
        stream.write(text)
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def on(stream: TextIO, total: int) -> Plain | Live:
    """Return the progress that fits a stream."""
    return Live(stream, total) if stream.isatty() else Plain(stream)
