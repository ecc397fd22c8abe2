"""How a user's values are printed: as they were written, without what is a secret by its form or by its name."""

import json
from collections.abc import Mapping
from functools import lru_cache
from types import NoneType

from agent.redaction import redact
from agent.redaction_cuts import CUT

LONGEST = 60
_INT64 = 1 << 63
_KINDS: Mapping[type, str] = {
    dict: "a table",
    list: "a list",
    tuple: "a list",
    float: "a fraction",
    NoneType: "nothing",
}


def public(raw: object, name: str = "") -> object:
    """Return a value without secrets; `name` is the key that it stands under."""
    if isinstance(raw, dict):
        return {key: public(each, _name(key, raw, name)) for key, each in raw.items()}
    if isinstance(raw, list):
        return [
            public(each, before if _is_flag(before) else name) for before, each in zip(["", *raw], raw, strict=False)
        ]
    if isinstance(raw, bool) or not raw:
        return raw
    if name and _names_secret(name):
        return CUT
    return _text(raw) if isinstance(raw, str) else raw


def public_table(table: Mapping[str, object], name: str = "") -> dict[str, object]:
    """Return a table without secrets; `name` is the key that it stands under."""
    return {key: public(each, _name(key, table, name)) for key, each in table.items()}


def show(raw: object, name: str = "") -> str:
    """Return a value as a person knows it again: short, in one line, without secrets."""
    if isinstance(raw, bool):
        return str(raw).lower()
    if isinstance(raw, int | str) and public(raw, name) == CUT:
        return "the value"
    if isinstance(raw, int):
        # Python refuses to print integers of more than some thousand digits.
        return str(raw) if -_INT64 <= raw < _INT64 else "an integer beyond 64 bits"
    if isinstance(raw, str):
        text = ascii(_text(raw))
        return text if len(text) <= LONGEST else f"{text[:LONGEST]}…'"
    return _KINDS.get(type(raw), "a date or time")


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
    if equals and " " not in name and _names_secret(name):
        return f"{name}={CUT}"
    return redact(raw)


@lru_cache(maxsize=256)
def _names_secret(name: str) -> bool:
    return CUT in redact(f'{json.dumps(name)}: "value"')
