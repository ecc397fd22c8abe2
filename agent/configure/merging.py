"""Documents of settings, and several of them as one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from agent.configure.schema import Path
from agent.model import Verdict

# Lists of a later document replace those of an earlier one, but for these, as nodeadm does.
_APPENDED = frozenset({("kubelet", "flags")})


@dataclass(frozen=True, slots=True)
class Document:
    """One source of settings: the table below `settings`, by Bottlerocket's names.

    `written` has what a setting is called in the document itself, where that is something else. `problem` says why the
    document cannot be read, `unread` what is in it that is not run here, and `remarks` whatever else there is to say.
    The tables of `replaces` stand for lists of a field, and so take the place of what the same field said before; with
    each is how the source of what that field said ends.
    """

    source: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    written: Mapping[Path, str] = field(default_factory=dict)
    problem: Verdict | None = None
    unread: str = ""
    remarks: tuple[Verdict, ...] = ()
    blank: bool = False
    replaces: Mapping[Path, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Merged:
    """Several documents as one: tables are merged key by key, anything else of a later document wins."""

    settings: Mapping[str, Any]
    sources: Mapping[Path, str]


def merge(documents: Iterable[Document]) -> Merged:
    """Merge documents, later over earlier, and remember where each key comes from."""
    settings: dict[str, Any] = {}
    sources: dict[Path, str] = {}
    for document in documents:
        _lay_over(settings, document, sources)
    return Merged(settings, sources)


def _lay_over(settings: dict[str, Any], document: Document, sources: dict[Path, str]) -> None:
    """Merge a document into `settings`; its trees are shallow (see `texts.check`), so recursion is safe."""

    def lay(under: dict[str, Any], over: Mapping[str, Any], path: Path, source: str) -> None:
        for name, value in over.items():
            here = (*path, name)
            written = document.written.get(here)
            sources[here] = f"{document.source}, {written}" if written else source
            if isinstance(value, dict):
                under[name] = kept(under.get(name), here)
                lay(under[name], value, here, sources[here])
            else:
                under[name] = _joined(under.get(name), value) if here in _APPENDED else value

    def kept(before: object, here: Path) -> dict[str, Any]:
        listed = document.replaces.get(here)
        entries = before.items() if isinstance(before, dict) else ()
        return {name: value for name, value in entries if not (listed and sources[(*here, name)].endswith(listed))}

    lay(settings, document.settings, (), document.source)


def _joined(before: object, after: object) -> object:
    return [*before, *after] if isinstance(before, list) and isinstance(after, list) else after
