"""The frame of a cycle: a first and a last line that both carry its number, time, version, checksum and headline.

EC2 keeps the last 64 KiB of a console: what stands first is lost first, so the last line says it all once more.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from agent.console.text import clean
from agent.doctor.report import ACTION, CAUSE

BEGIN = "NODE-AGENT::BEGIN"
END = "NODE-AGENT::END"
# A section's header begins as in EKS's own console diagnostics, whose readers split it at its two bars.
TITLE = "NMA::LOG|"
# Two markers of at most this many characters, their headline's UTF-8 included, and the line end before the first.
HEADLINE_LIMIT = 400
# At least so much of a headline's beginning stays, and this stands where the rest of the evidence was.
_EVIDENCE = 80
_CUT = "..."


@dataclass(frozen=True, slots=True)
class Header:
    """What both markers of a cycle say."""

    cycle: int
    time: str
    version: str
    headline: str


def encode(header: Header, lines: Sequence[str]) -> str:
    """Return the text of a cycle: an empty line, in case the port stands in mid-line, the markers and the body."""
    begin, end = markers(header, lines)
    return "\n".join(("", begin, *lines, end, ""))


def markers(header: Header, lines: Sequence[str]) -> tuple[str, str]:
    """Return the first and the last line of a cycle."""
    said = f"{header.cycle}|{header.time}|{header.version}|{checksum(lines)}|{one_line(header.headline)}"
    return f"{BEGIN}|{said}", f"{END}|{said}"


def checksum(lines: Sequence[str]) -> str:
    """Return the checksum of a body: the CRC-32 of its lines, each ended by LF.

    It tells of lost bytes, not of forged ones, and loads no cryptography before the first headline of a boot.
    """
    body = "".join(f"{line}\n" for line in lines)
    return f"{zlib.crc32(body.encode()):08x}"


def one_line(headline: str) -> str:
    """Return a headline that fits into a marker; where it is too long its evidence is cut, and what to do stays."""
    text = " ".join(clean(headline).split())
    if len(text.encode()) <= HEADLINE_LIMIT:
        return text
    whole = text.find(CAUSE), text.rfind(ACTION), len(text)
    tails = (text[start:] for start in whole if start >= 0)
    tail = next(tail for tail in tails if len(tail.encode()) <= HEADLINE_LIMIT - _EVIDENCE)
    room = HEADLINE_LIMIT - len((_CUT + tail).encode())
    return text.removesuffix(tail).encode()[:room].decode(errors="ignore") + _CUT + tail
