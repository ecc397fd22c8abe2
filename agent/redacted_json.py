"""JSON without secrets: each string is cut before it is written, as a cut in what is written may run past its end."""

import json
from collections.abc import Mapping

from agent.redaction import redact
from agent.redaction_cuts import CUT


def dumps(body: object) -> str:
    """Return `body` as JSON that can always be read back, and encoded."""
    return json.dumps(without_secrets(body), indent=2, ensure_ascii=False)


def without_secrets(value: object) -> object:
    """Return a JSON value without the secrets of its strings, and of what stands under a secret's name."""
    if isinstance(value, str):
        # Half a surrogate pair, which JSON may bring in, cannot be encoded.
        return redact(value).encode(errors="replace").decode()
    if isinstance(value, Mapping):
        return {str(without_secrets(str(key))): _named(str(key), item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_secrets(item) for item in value]
    return value


def _named(key: str, value: object) -> object:
    """Return the value of a key, which may be the name of a secret: redaction knows that only of the two together."""
    if value is None or isinstance(value, bool | Mapping | list | tuple) or value == "":
        return without_secrets(value)
    pair = f'"{key}": "x"' if isinstance(value, str) else f'"{key}": {value}'
    return CUT if redact(pair) != pair else without_secrets(value)
