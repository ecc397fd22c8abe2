"""Reading a cycle back from raw console text, with the kernel's and systemd's lines in between."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agent.console.frame import BEGIN, END, TITLE, checksum
from agent.console.text import printable, without_noise
from agent.doctor.report import HEALTHY


@dataclass(frozen=True, slots=True)
class Marker:
    """A marker line: where it stands, and what it says."""

    line: int
    cycle: str
    time: str
    version: str
    checksum: str
    headline: str


@dataclass(frozen=True, slots=True)
class Cycle:
    """A cycle as it was found: `missing` says what of it is not there, and is empty for a whole one.

    `newer` says what is known of one after it that is not whole.
    """

    number: str
    time: str
    version: str
    headline: str
    lines: tuple[str, ...]
    missing: str = ""
    newer: str = ""

    @property
    def healthy(self) -> bool:
        return self.headline.startswith(HEALTHY)

    def section(self, name: str) -> str:
        """Return the text of a section, or nothing where it is not in the cycle."""
        inside = False
        found = []
        for line in self.lines:
            if line.startswith(TITLE):
                inside = line.split("|")[-1] == name
            elif inside:
                found.append(line)
        return "\n".join(found)


def console_text(raw: bytes) -> bytes:
    """Return the console's text out of what `aws ec2 get-console-output` prints by default, JSON; else all of it."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):  # the latter by what is nested in itself thousands of times
        return raw
    output = body.get("Output") if isinstance(body, dict) else None
    return output.encode(errors="replace") if isinstance(output, str) else raw


def newest(raw: bytes) -> Cycle | None:
    """Return the newest whole cycle of raw console text, else the newest part of one, else None."""
    lines = without_noise(raw).split("\n")
    begins, ends = list(_markers(lines, BEGIN)), list(_markers(lines, END))
    for end in reversed(ends):
        begin = _begin_of(end, begins)
        if begin is not None:
            body = lines[begin.line + 1 : end.line]
            if checksum(body) == end.checksum:
                return _cycle(end, body, newer=_newer(end, begins, ends))
    return _newest_part(lines, begins, ends)


def _newest_part(lines: Sequence[str], begins: list[Marker], ends: list[Marker]) -> Cycle | None:
    begin, end = begins[-1] if begins else None, ends[-1] if ends else None
    if begin is not None and (end is None or begin.line > end.line):
        return _cycle(begin, lines[begin.line + 1 :], "its end was not written (yet)")
    if end is None:
        return None
    begin = _begin_of(end, begins)
    if begin is not None:
        return _cycle(end, lines[begin.line + 1 : end.line], "its checksum differs: lines were lost, or got in between")
    return _cycle(end, lines[: end.line], "its beginning is lost: the console kept only what follows")


def _newer(found: Marker, begins: list[Marker], ends: list[Marker]) -> str:
    """Say what the last marker after a cycle says: of a cycle whose lines were lost, or are still to come."""
    after = [marker for marker in (*begins, *ends) if marker.line > found.line]
    if not after:
        return ""
    last = max(after, key=lambda marker: marker.line)
    return printable(f"cycle {last.cycle} of {last.time} is newer, and not whole; it says {last.headline}")


def _cycle(marker: Marker, body: Sequence[str], missing: str = "", *, newer: str = "") -> Cycle:
    """Make a cycle that may be shown on a terminal: what got in between is not ours, and may command it."""
    number, time, version = printable(marker.cycle), printable(marker.time), printable(marker.version)
    return Cycle(number, time, version, printable(marker.headline), tuple(map(printable, body)), missing, newer)


def _begin_of(end: Marker, begins: list[Marker]) -> Marker | None:
    """Return the nearest begin marker before `end` that says the same; where the end marker is enough, so is this."""
    said = (end.cycle, end.time, end.checksum)
    same = [begin for begin in begins if begin.line < end.line and (begin.cycle, begin.time, begin.checksum) == said]
    return same[-1] if same else None


def _markers(lines: Sequence[str], kind: str) -> Iterator[Marker]:
    for number, line in enumerate(lines):
        fields = line.split("|", 5)
        if len(fields) == 6 and fields[0] == kind:
            yield Marker(number, *fields[1:])
