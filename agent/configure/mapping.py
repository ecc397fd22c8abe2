"""Translates the fields of a Kubernetes object into settings, by a table of them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from agent.configure.merging import Document
from agent.configure.schema import MOST_COMPARED, NOT_APPLIED, Path, RefusedError, dotted, unknown
from agent.model import Verdict


def as_it_is(raw: object) -> object:
    return raw


@dataclass(frozen=True, slots=True)
class Field:
    """Where a field goes: the path of a setting, or None where it has no effect here; `about` says why."""

    target: Path | None
    about: str = ""
    convert: Callable[[Any], object] = as_it_is


Fields = Mapping[str, Field]


@dataclass(slots=True)
class _Translation:
    """What came of an object so far."""

    source: str
    settings: dict[str, Any] = field(default_factory=dict)
    written: dict[Path, str] = field(default_factory=dict)
    remarks: list[Verdict] = field(default_factory=list)

    def warn(self, path: str, message: str) -> None:
        self.remarks.append(Verdict(path, "warning", message, self.source))

    def put(self, target: Path, value: object, written: str) -> None:
        table = self.settings
        for name in target[:-1]:
            table = table.setdefault(name, {})
        table[target[-1]] = value
        self.written[target] = written


def translate(spec: Mapping[str, object], fields: Fields, source: str) -> Document:
    """Return the settings that a spec stands for; `fields` are by their dotted path below it.

    Empty values are as if they were not there: tools write them for whatever they were not told.
    """
    translation = _Translation(source)
    _table(spec, "", fields, translation)
    return Document(source, translation.settings, translation.written, remarks=tuple(translation.remarks))


def _table(table: Mapping[str, object], above: str, fields: Fields, into: _Translation) -> None:
    for name, raw in table.items():
        path = f"{above}{name}"
        if path in fields:
            _field(fields[path], raw, path, into)
        elif any(known.startswith(f"{path}.") for known in fields):
            _section(raw, path, fields, into)
        else:
            siblings = _siblings(above, fields) if len(into.remarks) < MOST_COMPARED else ()
            into.warn(dotted((*above.split(".")[:-1], name), below="spec"), unknown(name, siblings))


def _section(raw: object, path: str, fields: Fields, into: _Translation) -> None:
    if isinstance(raw, dict):
        _table(raw, f"{path}.", fields, into)
    elif raw:
        into.warn(f"spec.{path}", "refused: must be a table; it is ignored")


def _field(found: Field, raw: object, path: str, into: _Translation) -> None:
    if not raw:
        return
    if found.target is None:
        into.warn(f"spec.{path}", NOT_APPLIED)
        return
    try:
        into.put(found.target, found.convert(raw), f"spec.{path}")
    except RefusedError as reason:
        into.warn(f"spec.{path}", f"the value is refused: must be {reason}; it is ignored")


def _siblings(above: str, fields: Fields) -> Iterator[str]:
    return (path.removeprefix(above).partition(".")[0] for path in fields if path.startswith(above))
