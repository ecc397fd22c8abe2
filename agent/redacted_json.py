"""JSON without secrets: each string is cut before it is written, as a cut in what is written may run past its end."""

import json
import re
from collections.abc import Mapping
from functools import lru_cache

from agent.redaction import redact
from agent.redaction_cuts import CUT

_VARIABLE = re.compile(r"[\w.-]+", re.ASCII)


def dumps(body: object) -> str:
    """Return `body` as JSON that can always be read back, and encoded."""
    return json.dumps(without_secrets(body), indent=2, ensure_ascii=False)


def without_secrets(value: object, name: str = "") -> object:
    """Return a JSON value without what is secret by its form or by its name; `name` is the key that it stands under."""
    if isinstance(value, Mapping):
        return table_without_secrets(value, name)
    if isinstance(value, list | tuple):
        before = ("", *value)
        return [
            without_secrets(each, last if _is_flag(last) else name) for last, each in zip(before, value, strict=False)
        ]
    if isinstance(value, bool) or not value:
        return value
    if name and _names_secret(name):
        return CUT
    return _text(value) if isinstance(value, str) else value


def table_without_secrets(table: Mapping[str, object], name: str = "") -> dict[str, object]:
    """Return a table without secrets; `name` is the key that it stands under."""
    return {_text(str(key)): without_secrets(each, _name(str(key), table, name)) for key, each in table.items()}


def _name(key: str, table: Mapping[str, object], above: str) -> str:
    """Return what names a value of a table: a variable of a container, {name, value}, has its name beside it."""
    named = table.get("name")
    if key == "value" and isinstance(named, str):
        return named
    # A table named auth is one of a registry, or of a plug-in: its own keys tell.
    return above if _names_secret(above) and not above.lower().endswith("auth") else key


def _is_flag(word: object) -> bool:
    """Whether the next word of a command is this one's value: of `--password=x` it is not."""
    return isinstance(word, str) and word.startswith("-") and "=" not in word


def _text(raw: str) -> str:
    """Return a text without secrets; of `DB_PASSWORD=words with blanks` all is one."""
    name, equals, _ = raw.partition("=")
    if equals and _VARIABLE.fullmatch(name) and _names_secret(name):
        return f"{name}={CUT}"
    return _encodable(redact(raw))


def _encodable(text: str) -> str:
    """Return a text that can be encoded: half a surrogate pair, which JSON may bring in, cannot."""
    return text.encode(errors="replace").decode()


@lru_cache(maxsize=256)
def _names_secret(name: str) -> bool:
    return CUT in redact(f'{json.dumps(name)}: "value"')
