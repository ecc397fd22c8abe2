"""What an operator may choose of the console: that there are cycles at all, and which sections they have."""

import json
from dataclasses import dataclass

# Rendered by configure from settings.console; without it everything is shown.
PATH = "/etc/node-agent/console.json"


@dataclass(frozen=True, slots=True)
class Settings:
    """`sections` are those that a cycle has beside the doctor's and the daemons'; None for all."""

    enabled: bool = True
    sections: frozenset[str] | None = None

    def shows(self, section: str) -> bool:
        return self.sections is None or section in self.sections


def parse(text: str | None) -> Settings:
    """Read the file; what cannot be read gives the defaults, as a node's last way to speak must not hang on it."""
    try:
        body = json.loads(text or "{}")
    except ValueError:
        return Settings()
    if not isinstance(body, dict):
        return Settings()
    sections = body.get("sections")
    chosen = frozenset(map(str, sections)) if isinstance(sections, list) else None
    return Settings(body.get("enabled") is not False, chosen)
