"""Shows what a run would change, as a unified diff without secrets."""

import difflib
import json
import re
import tomllib
from collections.abc import Mapping, Sequence

import tomli_w

from agent.model import FileSpec
from agent.redacted_json import table_without_secrets
from agent.redaction import redact
from agent.redaction_cuts import CUT

_VARIABLES = "/etc/systemd/environment/"
_VALUE = re.compile(r"^(\w+=).*", re.MULTILINE)


def unified(wanted: Sequence[FileSpec], stale: Sequence[str], before: Mapping[str, bytes]) -> str:
    """Return the diff from the contents `before`, by path, to the files `wanted`; `stale` ones go.

    What a file holds that goes is not shown: nothing tells any more whether it is secret.
    """
    changes = {path: _removed(path) for path in stale if path in before}
    changes |= {spec.path: _change(spec, before.get(spec.path)) for spec in wanted}
    return "".join(change for _, change in sorted(changes.items()))


def _removed(path: str) -> str:
    return f"--- {path}\n+++ /dev/null\n"


def _change(spec: FileSpec, before: bytes | None) -> str:
    origin = "/dev/null" if before is None else spec.path
    old, new = (_public(spec.path, content or b"").splitlines(keepends=True) for content in (before, spec.content))
    if before != spec.content and (spec.secret or old == new):
        return f"--- {origin}\n+++ {spec.path}\nchanged, content not shown\n"
    lines = difflib.unified_diff(old, new, origin, spec.path)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _public(path: str, content: bytes) -> str:
    """Return a file's text without secrets; of a service's variables any may be one, but the proxy's are known."""
    text = redact(_shown_values(path, content.decode(errors="replace")))
    return _VALUE.sub(f"\\1{CUT}", text) if path.startswith(_VARIABLES) else text


def _shown_values(path: str, text: str) -> str:
    """Return JSON and TOML, as they are rendered, without what is secret by the key that it stands under."""
    try:
        if text.startswith("{"):
            return json.dumps(table_without_secrets(json.loads(text)), indent=2) + "\n"
        if path.endswith(".toml"):
            return tomli_w.dumps(table_without_secrets(tomllib.loads(text)))
    except (ValueError, RecursionError):  # somebody wrote to it
        pass
    return text
