"""Decodes user data, which anybody may have written: bytes in, a document or the reason why there is none out."""

import gzip
import io
import re
import tomllib
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from agent.configure.schema import Path
from agent.model import Verdict

# EC2 takes 16 KiB; local files and what gzip hides in 16 KiB may be larger, within reason.
LIMIT = 1 << 20
_DEEPEST = 16
_TOO_DEEP = f"nested deeper than {_DEEPEST} levels"
_GZIP = b"\x1f\x8b"
# A key of many parts, `a.a.a.…`, at the begin of a line or of an inline table: tomllib takes memory in the square of
# their number.
_LONG_KEY = re.compile(
    r"""(?:^[ \t]*\[{0,2}|[{,])[ \t]*(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){16}""",
    re.MULTILINE,
)
# What people also launch instances with, by how it begins.
_OTHER_FORMS = {
    "#!": "a shell script",
    "#cloud-config": "a #cloud-config document",
    "content-type:": "a MIME document",
    "mime-version:": "a MIME document",
    "apiversion:": "a NodeConfig document",
    "{": "a JSON document",
    "<": "XML or HTML",
}


@dataclass(frozen=True, slots=True)
class Document:
    """One source of settings: the table below `settings`. `problem` says why it could not be read."""

    source: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    problem: Verdict | None = None
    blank: bool = False


@dataclass(frozen=True, slots=True)
class Merged:
    """Several documents as one: tables are merged key by key, anything else of a later document wins."""

    settings: Mapping[str, Any]
    sources: Mapping[Path, str]


class _UnreadableError(ValueError):
    """The document as a whole cannot be used; the message says why."""


def decode(content: bytes | None, source: str) -> Document:
    """Read Bottlerocket's TOML, in gzip or not. Nothing, or nothing but white space, is a blank document."""
    try:
        text = _text(content or b"")
        if not text.strip():
            return Document(source, blank=True)
        return Document(source, _settings(text))
    except _UnreadableError as error:
        return Document(source, problem=Verdict("", "error", str(error), source))


def merge(documents: Iterable[Document]) -> Merged:
    """Merge documents, later over earlier, and remember where each key comes from."""
    settings: dict[str, Any] = {}
    sources: dict[Path, str] = {}
    for document in documents:
        _lay_over(settings, document.settings, document.source, sources)
    return Merged(settings, sources)


def _text(content: bytes) -> str:
    if len(content) > LIMIT:
        raise _UnreadableError(f"larger than {LIMIT} bytes")
    if content.startswith(_GZIP):
        content = _unzip(content)
    try:
        # Editors on Windows put a byte order mark first, and TOML has no NUL that a tool may have padded with.
        return content.decode("utf-8-sig").rstrip("\0")
    except UnicodeDecodeError as error:
        raise _UnreadableError(f"not UTF-8 at byte {error.start}: send TOML text, or gzip of it") from error


def _unzip(content: bytes) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as stream:
            plain = stream.read(LIMIT + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise _UnreadableError("damaged gzip: compress it again") from error
    if len(plain) > LIMIT:
        raise _UnreadableError(f"larger than {LIMIT} bytes when unpacked")
    return plain


def _settings(text: str) -> Mapping[str, Any]:
    if _LONG_KEY.search(text):
        raise _UnreadableError(_TOO_DEEP)
    try:
        document = tomllib.loads(text)
    except RecursionError as error:  # tomllib recurses once a bracket
        raise _UnreadableError(_TOO_DEEP) from error
    except ValueError as error:  # beside TOMLDecodeError also dates and integers that Python does not take
        raise _UnreadableError(f"not TOML: {_form(text) or _first_line(error)}") from error
    settings = document.get("settings")
    if not isinstance(settings, dict):
        belongs = "put every key below [settings.kubernetes] and its like"
        raise _UnreadableError(f"no [settings] table: {_form(text) or belongs}")
    if _depth(settings) > _DEEPEST:
        raise _UnreadableError(_TOO_DEEP)
    return settings


def _form(text: str) -> str | None:
    beginning = text.lstrip()[:80].lower()
    for mark, form in _OTHER_FORMS.items():
        if beginning.startswith(mark):
            return f"it is {form}, where Bottlerocket TOML ([settings.kubernetes] …) belongs"
    return None


def _first_line(error: ValueError) -> str:
    return (str(error).splitlines() or ["?"])[0][:200]


def _depth(tree: object) -> int:
    """Return how deep tables and lists are nested, without recursion, as the tree may be deeper than the stack."""
    level, deepest = [tree], 0
    while level and deepest <= _DEEPEST:
        deepest += 1
        level = [child for node in level if isinstance(node, dict | list) for child in _children(node)]
    return deepest


def _children(node: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return node.values() if isinstance(node, dict) else node


def _lay_over(under: dict[str, Any], over: Mapping[str, Any], source: str, sources: dict[Path, str]) -> None:
    """Merge `over` into `under`; trees are shallow (see `_depth`), so recursion is safe."""

    def lay(under: dict[str, Any], over: Mapping[str, Any], path: Path) -> None:
        for name, value in over.items():
            here = (*path, name)
            sources[here] = source
            if isinstance(value, dict):
                before = under.get(name)
                under[name] = dict(before) if isinstance(before, dict) else {}
                lay(under[name], value, here)
            else:
                under[name] = value

    lay(under, over, ())
