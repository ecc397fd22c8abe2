"""The settings in effect, as a file of the node: what was accepted and the defaults, without secrets."""

import json
from collections.abc import Mapping
from typing import Any

from agent.model import FileSpec
from agent.redaction import redact
from agent.redaction_cuts import CUT

_PATH = "/etc/node-agent/settings.json"
_SCHEMA_VERSION = 1


def files(accepted: Mapping[str, Any]) -> list[FileSpec]:
    body = {"schemaVersion": _SCHEMA_VERSION, "settings": _public(dict(accepted))}
    return [FileSpec(_PATH, (json.dumps(body, indent=2, sort_keys=True) + "\n").encode(), 0o600)]


def _public(value: Any) -> Any:
    """Return a value without what only looks like a secret beside its name: a table of the user's own has no rules."""
    if _is_public(value):
        return value
    if isinstance(value, dict):
        parts = {name: _public(each) for name, each in value.items()}
        parts = {name: each if _is_public({name: each}) else CUT for name, each in parts.items()}
        # {"name": "PASSWORD", "value": "…"} gives it away only as a whole.
        return parts if _is_public(parts) else dict.fromkeys(parts, CUT)
    if isinstance(value, list):
        items = [_public(each) for each in value]
        return items if _is_public(items) else [CUT]
    return CUT


def _is_public(value: Any) -> bool:
    # In the order in which rules expect a name before its value.
    text = json.dumps(value, sort_keys=True)
    return redact(text) == text
