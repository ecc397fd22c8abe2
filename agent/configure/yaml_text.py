"""Reads YAML as Kubernetes does, but for its traps. It is loaded only where a document is YAML: PyYAML takes time.

It works on PyYAML's events: their parser needs no recursion, and its own constructors read 1:30 as 90 and dates as
objects. Here what looks like one of those, or like a number with leading zeros or underscores, stays text.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from agent.configure.texts import DEEPEST, TOO_DEEP, UnreadableError, check

_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_CORE = "tag:yaml.org,2002:"
# Kubernetes' parser follows YAML 1.1 here.
_TRUE = frozenset({"true", "True", "TRUE", "y", "Y", "yes", "Yes", "YES", "on", "On", "ON"})
_FALSE = frozenset({"false", "False", "FALSE", "n", "N", "no", "No", "NO", "off", "Off", "OFF"})
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,63})|0x[0-9a-fA-F]{1,16}|0o[0-7]{1,22}")
_FLOAT = re.compile(r"[-+]?(0|[1-9][0-9]*)?(\.[0-9]*)?([eE][-+]?[0-9]+)?")
# Each use of an alias counts what it stands for: a few lines could otherwise stand for billions of values.
_MOST_VALUES = 100_000


@dataclass(slots=True)
class _Table:
    """A table or list that is being read; `key` waits for its value."""

    value: dict[str, Any] | list[Any]
    anchor: str | None
    key: str | None = None


def read(text: str) -> list[object]:
    """Return the documents of a text; one without content is left out."""
    try:
        documents = list(_Reader().documents(yaml.parse(text, Loader=_LOADER)))
    except yaml.YAMLError as error:
        raise UnreadableError(f"not YAML: {_reason(error)}") from error
    for document in documents:
        check(document)
    return documents


class _Reader:
    """Builds documents of events, with a stack of the tables that are open."""

    def __init__(self) -> None:
        self._open: list[_Table] = []
        self._anchors: dict[str, object] = {}
        self._left = _MOST_VALUES
        self._document: object = None

    def documents(self, events: Iterator[yaml.Event]) -> Iterator[object]:
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                self._anchors, self._document = {}, None
            elif isinstance(event, yaml.DocumentEndEvent):
                if self._document is not None:
                    yield self._document
            else:
                self._take(event)

    def _take(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.ScalarEvent):
            self._add(event.value if self._wants_key() else _scalar(event), event)
        elif isinstance(event, yaml.AliasEvent):
            self._add(self._alias(event), event)
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            self._start(event)
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            table = self._open.pop()
            if table.anchor:
                self._anchors[table.anchor] = table.value
            self._put(table.value, event)

    def _start(self, event: yaml.MappingStartEvent | yaml.SequenceStartEvent) -> None:
        if self._wants_key():
            raise _refused("a key is a table or list", event)
        if len(self._open) >= DEEPEST:
            raise UnreadableError(TOO_DEEP)
        _check_tag(event, "map", "seq")
        value: dict[str, Any] | list[Any] = {} if isinstance(event, yaml.MappingStartEvent) else []
        self._open.append(_Table(value, event.anchor))

    def _add(self, value: object, event: yaml.ScalarEvent | yaml.AliasEvent) -> None:
        if isinstance(event, yaml.ScalarEvent) and event.anchor:
            self._anchors[event.anchor] = value
        self._put(value, event)

    def _put(self, value: object, event: yaml.Event) -> None:
        self._left -= 1
        if self._left < 0:
            raise UnreadableError(f"not taken: more than {_MOST_VALUES} values, counting what aliases stand for")
        table = self._open[-1] if self._open else None
        if table is None:
            self._document = value
        elif isinstance(table.value, list):
            table.value.append(value)
        elif table.key is None:
            table.key = _key(value, event)
        else:
            self._pair(table.value, table.key, value, event)
            table.key = None

    def _pair(self, table: dict[str, Any], key: str, value: object, event: yaml.Event) -> None:
        if key == "<<":
            raise _refused("a merge key, <<, is not taken: write its values out", event)
        if key in table:
            raise _refused(f"the key {key[:60]!a} stands twice in one table", event)
        if value is not None:
            table[key] = value

    def _alias(self, event: yaml.AliasEvent) -> object:
        if event.anchor not in self._anchors:
            raise _refused("an alias stands for nothing, or for a table that it is in", event)
        value = self._anchors[event.anchor]
        self._left -= _size(value, self._left)
        return value

    def _wants_key(self) -> bool:
        return bool(self._open) and isinstance(self._open[-1].value, dict) and self._open[-1].key is None


def _scalar(event: yaml.ScalarEvent) -> object:
    _check_tag(event, "str", "int", "bool", "float", "null")
    if event.style or event.tag == f"{_CORE}str":  # libyaml's parser says "" of a plain scalar, Python's None
        return event.value
    return _plain(event.value)


def _plain(text: str) -> object:
    """Return what a scalar without quotes stands for."""
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _INTEGER.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text) and any(character.isdigit() for character in text.lower().partition("e")[0]):
        return float(text)
    return text


def _key(value: object, event: yaml.Event) -> str:
    if not isinstance(value, str):
        raise _refused("a key is no text", event)
    return value


def _check_tag(event: Any, *kinds: str) -> None:
    if event.tag is not None and event.tag not in {f"{_CORE}{kind}" for kind in kinds} and event.tag != "!":
        raise _refused(f"the tag {event.tag[:60]!a} is not taken", event)


def _size(value: object, most: int) -> int:
    """Count the values in a tree, up to `most`; the trees of aliases are no deeper than any other."""
    if isinstance(value, dict | list):
        total = 1
        for each in value.values() if isinstance(value, dict) else value:
            if total > most:
                break
            total += _size(each, most - total)
        return total
    return 1


def _refused(reason: str, event: yaml.Event) -> UnreadableError:
    line = f" (line {event.start_mark.line + 1})" if event.start_mark else ""
    return UnreadableError(f"not YAML that is taken: {reason}{line}")


def _reason(error: yaml.YAMLError) -> str:
    """Return the problem and its line: the rest of the message quotes the document, which may hold secrets."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "a character that YAML has not"
    return f"{problem} (line {mark.line + 1})" if mark is not None else str(problem)
