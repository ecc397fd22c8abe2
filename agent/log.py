"""The one log set-up: one event a line, values as keys, journald priorities, secrets cut.

INFO: something changed. WARNING: it will be tried again. ERROR: given up. A pass that changes nothing logs nothing.
"""

import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog

from agent.redaction import redact

# sd-daemon(3): a line that begins with <N> has syslog priority N.
_PRIORITY = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}

Logger = structlog.typing.FilteringBoundLogger


def set_up(stream: TextIO | None = None) -> None:
    """Send every event to `stream` (standard error by default), for journald where it is not a terminal."""
    target = sys.stderr if stream is None else stream
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            _render_for_terminal if target.isatty() else _render_for_journal,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(20),
        logger_factory=structlog.WriteLoggerFactory(target),
        cache_logger_on_first_use=False,
    )


def get(room: str) -> Logger:
    """Return the logger of a room."""
    logger: Logger = structlog.get_logger(room=room)
    return logger


def _render_for_journal(_logger: object, level: str, event: MutableMapping[str, Any]) -> str:
    priority = _PRIORITY.get(level, 6)
    return f"<{priority}>{_render(event)}"


def _render_for_terminal(_logger: object, level: str, event: MutableMapping[str, Any]) -> str:
    return f"{level}: {_render(event)}"


def _render(event: MutableMapping[str, Any]) -> str:
    words = [str(event.pop("event"))]
    event.pop("level", None)
    words += [f"{key}={_quote(value)}" for key, value in sorted(event.items())]
    return redact(" ".join(words)).replace("\n", "\\n")


def _quote(value: object) -> str:
    text = str(value)
    return repr(text) if " " in text or not text else text
