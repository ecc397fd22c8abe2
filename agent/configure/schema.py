"""Reads nested tables into frozen dataclasses whose fields are the keys: each has a rule, a default and a purpose.

A bad value costs its own key only: it gets a verdict, and the default takes its place. Where the key is required the
verdict is an error, and there is no value as a whole.
"""

import dataclasses
import difflib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, ParamSpec, TypeVar

from agent.configure.shown import LONGEST, show
from agent.model import Verdict
from agent.redacted_json import without_secrets
from agent.redaction_cuts import CUT

P = ParamSpec("P")
T = TypeVar("T")
Path = tuple[str, ...]
# Defaults that need not be said.
_NOTHING = frozenset({None, "", (), b""})
_LONGEST_KEY = 320  # a label's name and its prefix
_BARE = re.compile(r"[A-Za-z0-9_-]{1,320}")
MOST_COMPARED = 100
NOT_APPLIED = "accepted, not applied: it has no effect on this image"


class RefusedError(ValueError):
    """A value breaks its rule; the message says which part of it, or nothing where the rule says enough."""


class SomeRefusedError(RefusedError):
    """Parts of a value break its rule; `value` is what the others come to, `written` how they were written."""

    def __init__(self, value: object, written: object, message: str) -> None:
        super().__init__(message)
        self.value = value
        self.written = written


@dataclass(frozen=True, slots=True)
class Rule(Generic[P, T]):
    """What a value must be: `kind` is its type in TOML, `says` what else holds; `read` takes it or refuses."""

    kind: str
    says: str
    read: Callable[P, T]

    def __call__(self, *arguments: P.args, **named: P.kwargs) -> T:
        return self.read(*arguments, **named)


def rule(kind: str, says: str) -> Callable[[Callable[P, T]], Rule[P, T]]:
    """Make a rule of the function that reads the value; it raises RefusedError where the value breaks the rule."""
    return lambda read: Rule(kind, says, read)


@dataclass(frozen=True, slots=True)
class Value:
    """One value.

    `kubelet` is the field of KubeletConfiguration that it becomes as it is, `renders` whatever else it becomes. A key
    with neither is accepted, not applied. With `fixed` the node always does that, and another value is not applied.
    A `secret` is never shown; one that only `holds_secret` is not when it is refused, and else without them.
    """

    rule: Rule[[object], Any]
    about: str
    renders: str = ""
    kubelet: str = ""
    required: bool = False
    secret: bool = False
    holds_secret: bool = False
    fixed: object = None

    @property
    def applied(self) -> bool:
        return bool(self.renders or self.kubelet)


@dataclass(frozen=True, slots=True)
class Entries:
    """A table with names of the user's own; a bad entry is left out, the others stay."""

    rule: Rule[[str, object], Any]
    about: str
    renders: str = ""
    kubelet: str = ""
    secret: bool = False

    @property
    def applied(self) -> bool:
        return bool(self.renders or self.kubelet)


@dataclass(frozen=True, slots=True)
class Unused:
    """A key or a whole table that Bottlerocket knows and this node has no use for, whatever is in it."""

    about: str


@dataclass(frozen=True, slots=True)
class Section:
    """A table whose keys are the fields of `kind`."""

    kind: type[Any]


@dataclass(frozen=True, slots=True)
class Named:
    """A table of tables with names of the user's own."""

    each: Section | Entries
    name: Rule[[object], str]
    about: str


Key = Value | Entries | Section | Named | Unused


def key(spec: Key, default: object = None) -> Any:
    """Declare a dataclass field that is read from the key of its name, with `-` for `_`."""
    return field(default=default, metadata={"key": spec})


def keys(kind: type[Any]) -> Iterator[tuple[str, str, Key, object]]:
    """Give every key of `kind`: its name in a document, its field, what it takes, its default."""
    for each in dataclasses.fields(kind):
        yield each.name.replace("_", "-"), each.name, each.metadata["key"], each.default


@dataclass(frozen=True, slots=True)
class Reading(Generic[T]):
    """What a document came to: the value unless a verdict is an error, and what was accepted, as it was written."""

    value: T | None
    accepted: Mapping[str, Any]
    verdicts: tuple[Verdict, ...]


def read(kind: type[T], tree: Mapping[str, object], sources: Mapping[Path, str]) -> Reading[T]:
    """Read a merged document; `sources` says where each of its keys comes from."""
    reader = _Reader(sources, [])
    value, accepted = reader.section(kind, (), tree)
    failed = any(verdict.level == "error" for verdict in reader.verdicts)
    return Reading(None if failed else value, accepted, tuple(reader.verdicts))


def dotted(path: Path, *, below: str = "settings") -> str:
    """Return a path as it stands in TOML, `settings.kubernetes.node-labels."example.com/team"`."""
    return ".".join((below, *(part if _BARE.fullmatch(part) else json.dumps(part[:_LONGEST_KEY]) for part in path)))


@dataclass(frozen=True, slots=True)
class _Reader:
    sources: Mapping[Path, str]
    verdicts: list[Verdict]

    def section(self, kind: type[T], path: Path, table: Mapping[str, object]) -> tuple[T, dict[str, Any]]:
        values: dict[str, Any] = {}
        accepted: dict[str, Any] = {}
        known = {name: (target, spec, default) for name, target, spec, default in keys(kind)}
        for name, (target, spec, default) in known.items():
            found = self._key(spec, (*path, name), table.get(name), default)
            if found is not None:
                values[target], said = found
                accepted |= {name: said} if said != {} else {}
            elif default not in _NOTHING and isinstance(spec, Value) and spec.applied:
                accepted[name] = default
        self._name_strangers(path, table, list(known))
        return kind(**values), accepted

    def _key(self, spec: Key, path: Path, raw: object, default: object) -> tuple[Any, Any] | None:
        if isinstance(spec, Value):
            return self._value(spec, path, raw, default)
        if isinstance(spec, Unused):
            if raw is not None:
                self._warn(path, NOT_APPLIED)
            return None
        if raw is not None and not isinstance(raw, dict):
            self._warn(path, f"{show(raw, path[-1])} is refused: must be a table")
            raw = None
        table: Mapping[str, object] = raw or {}
        return self._table(spec, path, table)

    def _table(self, spec: Section | Named | Entries, path: Path, table: Mapping[str, object]) -> tuple[Any, Any]:
        if isinstance(spec, Section):
            return self.section(spec.kind, path, table)
        return self._named(spec, path, table) if isinstance(spec, Named) else self._entries(spec, path, table)

    def _value(self, spec: Value, path: Path, raw: object, default: object) -> tuple[Any, Any] | None:
        level = "error" if spec.required else "warning"
        if raw is None:
            if spec.required:
                self._say(path, level, f"missing: {spec.about}")
            return None
        try:
            value = spec.rule(raw)
        except SomeRefusedError as some:
            value, raw = some.value, some.written
            self._warn(path, f"{some}; it is left out")
        except RefusedError as reason:
            shown = "the value" if spec.secret or spec.holds_secret else show(raw, path[-1])
            instead = "it is ignored" if default in _NOTHING else f"{show(default)} is used instead"
            rest = "" if spec.required else f"; {instead}"
            self._say(path, level, f"{shown} is refused: must be {str(reason) or spec.rule.says}{rest}")
            return None
        if not spec.applied and value != spec.fixed:
            self._warn(path, NOT_APPLIED)
        # What holds a secret is shown as its rule renders it: with what quotes would hide from redaction escaped.
        printed = value if spec.holds_secret and isinstance(value, str) else raw
        return value, CUT if spec.secret and raw else without_secrets(printed, path[-1])

    def _entries(self, spec: Entries, path: Path, table: Mapping[str, object]) -> tuple[Any, Any]:
        values: dict[str, Any] = {}
        written = dict(table)
        for name, raw in table.items():
            try:
                values[name] = spec.rule(name, raw)
            except SomeRefusedError as some:
                values[name], written[name] = some.value, some.written
                self._warn((*path, name), f"{some}; it is left out")
            except RefusedError as reason:
                shown = "the value" if spec.secret else show(raw, name)
                must = str(reason) or spec.rule.says
                self._warn((*path, name), f"{shown} is refused: must be {must}; it is left out")
        if values and not spec.applied:
            self._warn(path, NOT_APPLIED)
        return values, {name: CUT if spec.secret else without_secrets(written[name], name) for name in values}

    def _named(self, spec: Named, path: Path, table: Mapping[str, object]) -> tuple[Any, Any]:
        values: dict[str, Any] = {}
        accepted: dict[str, Any] = {}
        for name, raw in table.items():
            try:
                spec.name(name)
            except RefusedError:
                self._warn((*path, name), f"the name is refused: must be {spec.name.says}; it is left out")
                continue
            if isinstance(raw, dict):
                values[name], accepted[name] = self._table(spec.each, (*path, name), raw)
            else:
                self._warn((*path, name), f"{show(raw, name)} is refused: must be a table; it is left out")
        return values, accepted

    def _name_strangers(self, path: Path, table: Mapping[str, object], known: list[str]) -> None:
        for name in table:
            if name not in known:
                # Comparing takes time; of thousands of strangers nobody reads the last ones.
                self._warn((*path, name), unknown(name, known if len(self.verdicts) < MOST_COMPARED else ()))

    def _warn(self, path: Path, message: str) -> None:
        self._say(path, "warning", message)

    def _say(self, path: Path, level: str, message: str) -> None:
        source = self.sources.get(path, "user data")
        self.verdicts.append(Verdict(dotted(path), level, message, source))


def unknown(name: str, known: Iterable[str]) -> str:
    """Say that a key is unknown, and which known one is meant, probably."""
    near = difflib.get_close_matches(name[:LONGEST], list(known), 1)
    return "unknown key, ignored" + (f"; did you mean {near[0]}?" if near else "")
