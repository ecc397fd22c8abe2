"""The budget of a cycle: who gets how many bytes, and how a section is cut to them."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

# EC2 keeps 65,536 bytes; 16 KiB are left for what the kernel and systemd write afterwards.
CYCLE_BYTES = 49_152
# What stands where the rest was cut.
NOTICES = {"head": "... the rest is cut ...", "tail": "... what came before is cut ..."}


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a cycle. `keep` is the end that stays when it is cut: a table's `head`, a log's `tail`.

    Where room is short, sections get it in proportion to their weights.
    """

    name: str
    lines: tuple[str, ...]
    keep: str = "head"
    weight: int = 1


def share(wanted: Sequence[int], weights: Sequence[int], total: int) -> list[int]:
    """Divide `total` by weight; what one does not need goes to those that do."""
    given = [0] * len(wanted)
    hungry = set(range(len(wanted)))
    left = total
    while hungry:
        heavy = sum(weights[index] for index in hungry)
        fair = {index: left * weights[index] // heavy for index in hungry}
        content = {index for index in hungry if wanted[index] <= fair[index]}
        for index in content or hungry:
            given[index] = min(wanted[index], fair[index])
        if not content:
            break
        left -= sum(given[index] for index in content)
        hungry -= content
    return given


def size(lines: Sequence[str], line_end: int) -> int:
    """Return how many bytes the lines take where they arrive."""
    return sum(len(line.encode()) + line_end for line in lines)


def cut(section: Section, limit: int, line_end: int) -> tuple[str, ...]:
    """Return the lines of a section that fit into `limit` bytes, and a line that says how many do not."""
    if size(section.lines, line_end) <= limit:
        return section.lines
    notice = NOTICES[section.keep]
    room = limit - size([notice], line_end)
    if room < 0:
        return ()
    ordered = section.lines if section.keep == "head" else section.lines[::-1]
    ends = accumulate(size([line], line_end) for line in ordered)
    kept = [line for line, end in zip(ordered, ends, strict=True) if end <= room]
    return (*kept, notice) if section.keep == "head" else (notice, *reversed(kept))
