"""How a user's values are printed: as they were written, without what is a secret by its form or by its name."""

from collections.abc import Mapping
from types import NoneType

from agent.redacted_json import without_secrets
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


def show(raw: object, name: str = "") -> str:
    """Return a value as a person knows it again: short, in one line, without secrets."""
    if isinstance(raw, bool):
        return str(raw).lower()
    if isinstance(raw, int | str) and without_secrets(raw, name) == CUT:
        return "the value"
    if isinstance(raw, int):
        # Python refuses to print integers of more than some thousand digits.
        return str(raw) if -_INT64 <= raw < _INT64 else "an integer beyond 64 bits"
    if isinstance(raw, str):
        text = ascii(without_secrets(raw))
        return text if len(text) <= LONGEST else f"{text[:LONGEST]}…'"
    return _KINDS.get(type(raw), "a date or time")
