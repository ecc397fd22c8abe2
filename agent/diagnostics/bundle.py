"""Making a bundle: every output in its order, within time and space, then what the bundle says of itself."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from agent.diagnostics import manifest
from agent.diagnostics.manifest import About
from agent.outputs import Gathered, Outcome, Output, Status

# The bundle's own limit, and what stays free of the file system that the node's pods live on as well.
MOST_BYTES = 4 << 30
RESERVE_BYTES = 256 << 20

Gather: TypeAlias = Callable[[Output, int, float], Iterator[Gathered]]


class Archive(Protocol):
    """What a bundle is written to."""

    @property
    def size(self) -> int: ...

    def add(self, name: str, chunks: Iterator[bytes], *, size: int, modified: float) -> None: ...


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
    found: list[tuple[str, Outcome]] = []
    for output in outputs:
        means.progress(output.path)
        left = deadline - means.clock()
        room = min(MOST_BYTES - archive.size, means.room() - RESERVE_BYTES)
        if left <= 0 or room <= 0:
            why = "the time for the bundle was over" if left <= 0 else "no space was left for the bundle"
            found.append((output.category, Outcome(output.path, str(output.source), Status.SKIPPED, error=why)))
            continue
        for gathered in means.gather(output, room, left):
            found.append((output.category, gathered.outcome))
            _add(archive, gathered)
    outcomes = [outcome for _, outcome in found]
    finished_at, modified = means.now()
    own = {
        manifest.ERRORS_PATH: manifest.errors(found),
        manifest.PATH: manifest.render(about, outcomes, finished_at=finished_at),
    }
    for path, content in own.items():
        if content:
            archive.add(path, iter([content]), size=len(content), modified=modified)
    return outcomes


def _add(archive: Archive, gathered: Gathered) -> None:
    content = gathered.content
    if content is None:
        return
    try:
        archive.add(gathered.outcome.path, content.chunks(), size=content.size, modified=gathered.modified)
    finally:
        content.discard()
