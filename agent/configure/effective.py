"""The settings in effect, as a file of the node: what was accepted and the defaults, without secrets."""

import json
from collections.abc import Mapping
from typing import Any

from agent.model import FileSpec
from agent.redacted_json import without_secrets

_PATH = "/etc/node-agent/settings.json"
_SCHEMA_VERSION = 1


def files(accepted: Mapping[str, Any]) -> list[FileSpec]:
    body = {"schemaVersion": _SCHEMA_VERSION, "settings": without_secrets(accepted)}
    return [FileSpec(_PATH, (json.dumps(body, indent=2, sort_keys=True) + "\n").encode(), 0o600)]
