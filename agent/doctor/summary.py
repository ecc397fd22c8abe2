"""What each daemon last did, for people."""

import textwrap
from collections.abc import Mapping
from typing import Any

from agent.redaction import redact

_WIDTH = 80


def as_text(statuses: Mapping[str, Mapping[str, Any]]) -> str:
    """Render the status files of /run/node-agent, a daemon a paragraph."""
    if not statuses:
        return "No daemon has reported yet: see systemctl list-units 'node-agent-*'.\n"
    lines: list[str] = []
    for name, status in statuses.items():
        start = f"{name:<12} {status.get('state', '?'):<9} {status.get('updatedAt', ''):<20}  "
        message = str(status.get("message", ""))
        lines += textwrap.wrap(start + message, _WIDTH, subsequent_indent=" " * 13, drop_whitespace=True)
    return redact("\n".join(line.rstrip() for line in lines)) + "\n"
