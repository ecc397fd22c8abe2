"""The one logger: one event a line on standard error, values as keys, journald priorities, secrets cut.

INFO: something changed. WARNING: it will be tried again. ERROR: given up. A pass that changes nothing logs nothing.

It is 40 lines of our own because every process of the agent starts with it, most to log nothing at all: a logging
library took 0.1 s and 13 MiB of each, and several seconds of a boot under emulation.
"""

import sys
from dataclasses import dataclass

from agent.redaction import redact

# sd-daemon(3): a line that begins with <N> has syslog priority N.
_PRIORITY = {"info": 6, "warning": 4, "error": 3}


@dataclass(frozen=True, slots=True)
class Logger:
    """Logs for a room; the event is a constant text, what varies is in the values."""

    room: str

    def info(self, event: str, **values: object) -> None:
        self._write("info", event, values)

    def warning(self, event: str, **values: object) -> None:
        self._write("warning", event, values)

    def error(self, event: str, **values: object) -> None:
        self._write("error", event, values)

    def _write(self, level: str, event: str, values: dict[str, object]) -> None:
        words = [event, *(f"{key}={_quote(value)}" for key, value in sorted({**values, "room": self.room}.items()))]
        line = redact(" ".join(words)).replace("\n", "\\n")
        # A person at a terminal reads words; journald reads numbers.
        start = f"{level}: " if sys.stderr.isatty() else f"<{_PRIORITY[level]}>"
        sys.stderr.write(f"{start}{line}\n")
        sys.stderr.flush()


def get(room: str) -> Logger:
    """Return the logger of a room."""
    return Logger(room)


def _quote(value: object) -> str:
    text = str(value)
    return repr(text) if " " in text or not text else text
