"""What may stand on the console: printable lines of bounded length that nobody can take for a marker or a kernel line.

A serial console is shared: the kernel and systemd write between, and into, our lines. So no line of ours looks like one
of theirs, and whoever reads a cycle can take theirs out again (`without_noise`).
"""

import re

from agent.redaction import redact

# Columns after which a line goes on in the next one, which then begins with CONTINUED.
WIDTH = 240
CONTINUED = "\\ "
# Ends a row of a table that is longer than its columns.
CUT_SHORT = " ..."

_MARKERS = re.compile(r"(NMA|NODE-AGENT):(?=:)")
_NOISE = re.compile(
    rb"\[ *\d+\.\d{6}\][^\n]*\n"  # printk
    rb"|\[ *(?:OK|FAILED|DEPEND|TIME|INFO|WARN|SKIP|\*+) *\] [^\n]*\n"  # systemd: a job's end
    rb"|^ {9}[A-Z][a-z]+ing [^\n]*\n",  # systemd: a job's begin
    re.MULTILINE,
)
# What of ours would match, up to its line's end: disarmed by another bracket, or one space less.
_LIKE_NOISE = re.compile(r"\[(?= *\d+\.\d{6}\]| *(?:OK|FAILED|DEPEND|TIME|INFO|WARN|SKIP|\*+) *\] )|^ (?= {8}[A-Z])")
_ESCAPES = re.compile(rb"\x1b\[[0-9;?]*[ -/]*[@-~]")


def console_lines(text: str, columns: int | None = None) -> list[str]:
    """Return the lines of `text` as they may be written: clean, and the long ones wrapped, or cut to `columns`."""
    lines = clean(text).split("\n")
    if columns is not None:
        return [line if len(line) <= columns else line[:columns] + CUT_SHORT for line in lines]
    return [piece for line in lines for piece in _wrapped(line)]


def clean(text: str) -> str:
    """Return `text` without secrets, control bytes, and what looks like a marker or a kernel line."""
    shown = "\n".join(printable(line).rstrip() for line in text.split("\n"))
    return "\n".join(map(_disarmed, redact(shown).rstrip("\n").split("\n")))


def printable(line: str) -> str:
    """Return a line without what a terminal would take for a command."""
    spaced = line.replace("\t", "    ")
    return spaced if spaced.isprintable() else "".join(filter(str.isprintable, spaced))


def _disarmed(line: str) -> str:
    unmarked = _MARKERS.sub(r"\1:\\", line)
    return _LIKE_NOISE.sub(lambda match: "<" if match[0] == "[" else "", unmarked)


def _wrapped(line: str) -> list[str]:
    pieces = [line[start : start + WIDTH] for start in range(0, len(line), WIDTH)] or [""]
    return [pieces[0], *(CONTINUED + piece for piece in pieces[1:])]


def without_noise(raw: bytes) -> str:
    """Return console text without carriage returns, escape sequences and the lines of the kernel and of systemd."""
    plain = _ESCAPES.sub(b"", raw.replace(b"\r", b""))
    return _NOISE.sub(b"", plain).decode(errors="replace")
