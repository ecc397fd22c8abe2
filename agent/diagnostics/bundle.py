"""Making a bundle: every output in its order, within time and space, then what the bundle says of itself."""

import hashlib
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias

from agent.diagnostics import manifest
from agent.diagnostics.manifest import About
from agent.errors import FailedError
from agent.outputs import Event, Opened, Outcome, Output, Status

# The bundle's own limit, and what stays free of the file system that the node's pods live on as well.
MOST_BYTES = 4 << 30
RESERVE_BYTES = 256 << 20
# How much may be written between two looks at the space that is left.
_LOOK_BYTES = 16 << 20

Events: TypeAlias = Generator[Event, None, None]
Gather: TypeAlias = Callable[[Output, int, float], Events]


class Archive(Protocol):
    """What a bundle is written to."""

    @property
    def size(self) -> int: ...

    def begin(self, name: str, modified: float) -> None: ...

    def write(self, data: bytes | memoryview) -> None: ...

    def end(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Means:
    """What a bundle is made with: `clock` in seconds from any point, `room` in bytes, `now` as RFC 3339 and Unix."""

    gather: Gather
    clock: Callable[[], float]
    room: Callable[[], int]
    now: Callable[[], tuple[str, float]]
    progress: Callable[[str], None]


def make(outputs: Sequence[Output], archive: Archive, means: Means, about: About, *, seconds: float) -> list[Outcome]:
    """Fill the archive, and return what became of each output; what no time or space is left for is skipped."""
    deadline = means.clock() + seconds
    if outputs and _room(archive, means) <= 0:
        free, reserve = means.room() >> 20, RESERVE_BYTES >> 20
        message = f"no space for a bundle: {free} MiB are free, and {reserve} MiB stay free for the node's pods"
        raise FailedError(message, hint="free space on the data volume, then ask again")
    found: list[tuple[str, Outcome]] = []
    space = _Space(archive, means)
    for output in outputs:
        means.progress(output.path)
        left, room = deadline - means.clock(), _room(archive, means)
        if left <= 0 or room <= 0:
            why = "the time for the bundle was over" if left <= 0 else "no space was left for the bundle"
            outcomes = [Outcome(output.path, str(output.source), Status.SKIPPED, error=why)]
        else:
            outcomes = _take(means.gather(output, room, left), space)
        found += ((output.category, outcome) for outcome in outcomes)
    _describe(archive, means, about, found)
    return [outcome for _, outcome in found]


def _room(archive: Archive, means: Means) -> int:
    return min(MOST_BYTES - archive.size, means.room() - RESERVE_BYTES)


class _Space:
    """The archive, and whether there is space for more in it: looked at now and again, as looking costs time."""

    def __init__(self, archive: Archive, means: Means) -> None:
        self.archive = archive
        self._means = means
        self._unseen = 0

    def write(self, data: memoryview) -> bool:
        """Write a piece, and say whether there is space for more."""
        self.archive.write(data)
        self._unseen += len(data)
        if self._unseen < _LOOK_BYTES:
            return True
        self._unseen = 0
        return _room(self.archive, self._means) > 0


def _take(events: Events, space: _Space) -> list[Outcome]:
    """Write what an output gives, as long as there is space."""
    outcomes: list[Outcome] = []
    file: _File | None = None
    # Closed when space runs out: whatever gathers ends then.
    with closing(events):
        for event in events:
            if isinstance(event, Opened):
                file = _File(event, space)
            elif isinstance(event, Outcome):
                outcomes.append(file.end(event) if file else event)
                file = None
            elif file is not None and not file.write(event):
                outcomes.append(file.cut())
                break
    return outcomes


class _File:
    """A file of the bundle as it grows."""

    def __init__(self, opened: Opened, space: _Space) -> None:
        space.archive.begin(opened.path, opened.modified)
        self._opened = opened
        self._space = space
        self._digest = hashlib.sha256()
        self._size = 0

    def write(self, data: memoryview) -> bool:
        """Write a piece, and say whether there is space for more."""
        self._digest.update(data)
        self._size += len(data)
        return self._space.write(data)

    def cut(self) -> Outcome:
        """End the file for want of space."""
        error = f"no space was left for the bundle after {self._size} bytes of it"
        return self.end(Outcome(self._opened.path, self._opened.source, Status.SKIPPED, error=error))

    def end(self, outcome: Outcome) -> Outcome:
        self._space.archive.end()
        return replace(outcome, bytes_written=self._size, sha256=self._digest.hexdigest())


def _describe(archive: Archive, means: Means, about: About, found: Sequence[tuple[str, Outcome]]) -> None:
    finished_at, modified = means.now()
    own = {
        manifest.ERRORS_PATH: manifest.errors(found),
        manifest.PATH: manifest.render(about, found, finished_at=finished_at),
    }
    for path, content in own.items():
        if content:
            archive.begin(path, modified)
            archive.write(content)
            archive.end()
