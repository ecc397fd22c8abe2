"""Reads TOML, JSON and YAML that anybody may have written, each into tables, lists and plain values.

The readers share their limits, refuse duplicate keys and say why in UnreadableError. What JSON and YAML call null is
as if it were not there.
"""

import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

DEEPEST = 16
TOO_DEEP = f"nested deeper than {DEEPEST} levels"
# A key of many parts, `a.a.a.…`, at the begin of a line or of an inline table: tomllib takes memory in the square of
# their number.
_LONG_KEY = re.compile(
    r"""(?:^[ \t]*+\[{0,2}+|[{,])[ \t]*+(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){16}""",
    re.MULTILINE,
)


class UnreadableError(ValueError):
    """The document as a whole cannot be used; the message says why."""


class NotOursError(UnreadableError):
    """It is of another kind than what configures nodes, and may be meant for somebody else."""


class NotJsonError(UnreadableError):
    """It breaks JSON's syntax; YAML, which has more of it, may take it."""


def read_toml(text: str) -> Mapping[str, Any]:
    if _LONG_KEY.search(text):
        raise UnreadableError(TOO_DEEP)
    try:
        document = tomllib.loads(text)
    except RecursionError as error:  # tomllib recurses once a bracket
        raise UnreadableError(TOO_DEEP) from error
    except ValueError as error:  # beside TOMLDecodeError also dates and integers that Python does not take
        raise UnreadableError(f"not TOML: {first_line(error)}") from error
    check(document)
    return document


def read_json(text: str) -> object:
    try:
        document = json.loads(text, object_pairs_hook=_distinct, parse_constant=_no_constant)
    except RecursionError as error:
        raise UnreadableError(TOO_DEEP) from error
    except UnreadableError:
        raise
    except json.JSONDecodeError as error:
        raise NotJsonError(f"not JSON: {first_line(error)}") from error
    except ValueError as error:  # integers that Python does not take
        raise UnreadableError(f"not JSON: {first_line(error)}") from error
    check(document)
    return document


def check(tree: object) -> None:
    """Refuse what is too deep, without recursing into it, and text that cannot be printed."""
    level, deepest = [tree], 0
    while level:
        deepest += 1
        if deepest > DEEPEST + 1:
            raise UnreadableError(TOO_DEEP)
        level = [child for node in level for child in _children(node)]
        if any(isinstance(each, str) and not _is_unicode(each) for each in level):
            raise UnreadableError("half of a surrogate pair is no character: correct the escape in it")


def first_line(error: ValueError) -> str:
    return (str(error).splitlines() or ["?"])[0][:200]


def _children(node: object) -> Iterable[Any]:
    if isinstance(node, dict):
        return (*node.keys(), *node.values())
    return node if isinstance(node, list) else ()


def _is_unicode(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for name, value in pairs:
        if name in table:
            raise UnreadableError(f"not JSON: the key {name[:60]!a} stands twice in one table")
        table[name] = value
    return {name: value for name, value in table.items() if value is not None}


def _no_constant(name: str) -> NoReturn:
    raise UnreadableError(f"not JSON: {name} is no number")
