"""Decodes user data, which anybody may have written: bytes in, documents or the reason why there is none out."""

import base64
import binascii
import codecs
import gzip
import io
import re
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

from agent.configure import lift, objects
from agent.configure.merging import Document
from agent.configure.texts import NotJsonError, NotOursError, UnreadableError, read_json, read_toml
from agent.model import Verdict

# EC2 takes 16 KiB; local files and what gzip hides in 16 KiB may be larger, within reason.
LIMIT = 1 << 20
# gzip in base64 in gzip is the most that tools are seen to make of it.
_MOST_WRAPPINGS = 4
_GZIP = b"\x1f\x8b"
# Possessive (`++`), as what is repeated could otherwise be divided in ways that grow with the square of the input.
_BASE64 = re.compile(rb"[A-Za-z0-9+/\s]++={0,2}+\s*+")
_HEADER = re.compile(r"\s*+[A-Za-z-]++:")
_MULTIPART = re.compile(r"^content-type:\s*+multipart/", re.IGNORECASE | re.MULTILINE)
# White space, comments, YAML's directives and separators: what may stand before a document begins.
_NO_CONTENT = re.compile(r"(?:\s++|[#%][^\n]*+|---(?=\s))*+")
_SETTINGS_KEY = r"""\[{0,2}+[ \t]*+["']?settings["']?[ \t]*+[].=]"""
_TOML_BEGINS = re.compile(_SETTINGS_KEY)
_OBJECT_BEGINS = re.compile(r"""\{|["']?(?:apiVersion|kind|metadata|spec)["']?[ \t]*+:""")
_TOML = re.compile(rf"^[ \t]*+{_SETTINGS_KEY}", re.MULTILINE)
_MANIFEST = re.compile(r"^[ \t]*+(apiVersion|kind|\"apiVersion\"|\"kind\"):", re.MULTILINE)
_TOML_TYPES = ("application/toml", "application/x-toml", "text/toml", "text/x-bottlerocket-toml")
_NODE_CONFIG_TYPE = "application/node.eks.aws"
# Types that anything may come under: what is in such a part counts by how it begins.
_VAGUE_TYPES = frozenset(
    {"text/plain", "application/octet-stream", "application/json", "text/json"}
    | {f"{tree}/{name}" for tree in ("application", "text") for name in ("yaml", "x-yaml")}
)
# What people also launch instances with, by how it begins; it is said, not run.
_NOT_RUN = {
    "#!": "a shell script",
    "#cloud-config": "a #cloud-config document",
    "#cloud-boothook": "a boothook of cloud-init",
    "#include": "a cloud-init #include",
    "#upstart": "a job of Upstart",
    "#part-handler": "a part handler of cloud-init",
    "## template": "a template of cloud-init",
    "<": "XML or HTML",
}
# cloud-init's types, by how they begin (docs.cloud-init.io, user data formats).
_TYPES_NOT_RUN = {
    "text/x-shellscript": _NOT_RUN["#!"],
    "text/cloud-config": _NOT_RUN["#cloud-config"],
    "text/cloud-boothook": _NOT_RUN["#cloud-boothook"],
    "text/x-include": _NOT_RUN["#include"],
    "text/upstart-job": _NOT_RUN["#upstart"],
    "text/part-handler": _NOT_RUN["#part-handler"],
    "text/jinja2": _NOT_RUN["## template"],
}
_BELONGS = "where Bottlerocket TOML ([settings.kubernetes] …) or a NodeConfig belongs"


def decode(content: bytes | None, source: str) -> tuple[Document, ...]:
    """Read what a node is sent: TOML, NodeConfig or MIME of them, each in gzip and base64 or not, in its order.

    Nothing, or nothing but white space, is a blank document.
    """
    try:
        return tuple(each for found in _documents(content or b"", source) for each in lift.lifted(found))
    except UnreadableError as error:
        return (_unreadable(error, source),)


def _documents(content: bytes, source: str) -> Iterator[Document]:
    plain = _unwrap(content)
    if _is_multipart(plain.decode("utf-8-sig", errors="replace")):
        yield from _multipart(plain.removeprefix(codecs.BOM_UTF8), source)
        return
    text = _decoded(plain)
    if text.strip():
        yield from _one(text, source)
    else:
        yield Document(source, blank=True)


def _is_multipart(text: str) -> bool:
    return _HEADER.match(text) is not None and _MULTIPART.search(text) is not None


def _multipart(content: bytes, source: str) -> Iterator[Document]:
    from agent.configure import mime

    found = mime.parts(content.lstrip())
    if found is None:
        raise UnreadableError("a MIME document without a boundary in its Content-Type: give it one")
    if not found:
        yield Document(source, unread="a MIME document in which every part is blank")
    for number, (kind, body) in enumerate(found, 1):
        yield from _part(kind, body, f"{source}, part {number}")


def _part(kind: str, body: bytes, source: str) -> Iterator[Document]:
    """Give what a part holds, going by its type and, where that says nothing, by how it begins."""
    try:
        if kind in _TOML_TYPES:
            yield _toml(_text(body), source)
        elif kind == _NODE_CONFIG_TYPE:
            yield from _objects(_text(body), source)
        elif kind in _VAGUE_TYPES:
            yield from _vague(kind, body, source)
        else:
            yield Document(source, unread=_named(_TYPES_NOT_RUN, kind) or f"of type {kind[:80]}")
    except UnreadableError as error:
        yield _unreadable(error, source)


def _vague(kind: str, body: bytes, source: str) -> Iterator[Document]:
    """Read a part that may be somebody else's: then it is said, and stops nothing."""
    try:
        text = _text(body)
        beginning = _beginning(text)
        if _not_run(text) or _OBJECT_BEGINS.match(text, beginning) or _TOML_BEGINS.match(text, beginning):
            yield from _one(text, source)
        elif text.strip():
            yield Document(source, unread=f"of type {kind}")
    except NotOursError as error:
        yield Document(source, unread=f"of type {kind} ({error})")


def _one(text: str, source: str) -> Iterator[Document]:
    stranger = _not_run(text)
    if stranger:
        yield Document(source, unread=stranger)
    elif _is_object(text):
        yield from _objects(text, source)
    else:
        yield _toml(text, source)


def _is_object(text: str) -> bool:
    beginning = _beginning(text)
    if _OBJECT_BEGINS.match(text, beginning) or _TOML_BEGINS.match(text, beginning):
        return _OBJECT_BEGINS.match(text, beginning) is not None
    return bool(_MANIFEST.search(text)) and not _TOML.search(text)


def _objects(text: str, source: str) -> Iterator[Document]:
    """Read JSON or YAML; what looks like JSON may be YAML in its flow style."""
    if not text.lstrip().startswith("{"):
        yield from _yaml(text, source)
        return
    try:
        tree = read_json(text)
    except NotJsonError as error:
        try:
            found = list(_yaml(text, source))
        except UnreadableError:
            raise error from None
        yield from found
    else:
        yield _tree(tree, source)


def _yaml(text: str, source: str) -> Iterator[Document]:
    from agent.configure import yaml_text

    trees = yaml_text.read(text)
    if not trees:
        raise UnreadableError(f"nothing but comments, {_BELONGS}")
    for number, tree in enumerate(trees, 1):
        yield _tree(tree, source if len(trees) == 1 else f"{source}, document {number}")


def _tree(tree: object, source: str) -> Document:
    if not isinstance(tree, dict):
        raise UnreadableError(f"a list or a single value, {_BELONGS}")
    return objects.document(tree, source) if "settings" not in tree else _settings(tree, source)


def _toml(text: str, source: str) -> Document:
    try:
        tree = read_toml(text)
    except UnreadableError as error:
        hint = "" if _is_known(text) else f" ({_BELONGS})"
        raise UnreadableError(f"{error}{hint}") from error
    return _settings(tree, source)


def _settings(tree: Any, source: str) -> Document:
    settings = tree.get("settings")
    if not isinstance(settings, dict):
        raise UnreadableError("no [settings] table: put every key below [settings.kubernetes] and its like")
    return Document(source, settings)


def _is_known(text: str) -> bool:
    return bool(text.startswith("{", _beginning(text)) or _MANIFEST.search(text) or _TOML.search(text))


def _beginning(text: str) -> int:
    """Return where the content of a document starts."""
    found = _NO_CONTENT.match(text)
    return found.end() if found else 0


def _not_run(text: str) -> str:
    return _named(_NOT_RUN, text.lstrip()[:80].lower())


def _named(forms: Mapping[str, str], beginning: str) -> str:
    return next((form for mark, form in forms.items() if beginning.startswith(mark)), "")


def _text(content: bytes) -> str:
    return _decoded(_unwrap(content))


def _decoded(plain: bytes) -> str:
    try:
        # Editors on Windows put a byte order mark first.
        text = plain.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NotOursError(f"not UTF-8 at byte {error.start}: send text, or gzip or base64 of it") from error
    # Tools pad with NUL, which no format has, and others end that as a line.
    end = len(text.rstrip("\0\r\n\t "))
    return text[:end] + text[end:].partition("\0")[0]


def _unwrap(content: bytes) -> bytes:
    for _ in range(_MOST_WRAPPINGS):
        if len(content) > LIMIT:
            raise UnreadableError(f"larger than {LIMIT} bytes")
        inner = _unzip(content) if content.startswith(_GZIP) else _from_base64(content)
        if inner is None:
            return content
        content = inner
    raise UnreadableError(f"wrapped in gzip or base64 more than {_MOST_WRAPPINGS - 1} times")


def _from_base64(content: bytes) -> bytes | None:
    """Return what base64 stands for, unless it is base64 by accident and stands for nothing that is known."""
    if not _BASE64.fullmatch(content):
        return None
    try:
        plain = base64.b64decode(b"".join(content.split()), validate=True)
    except binascii.Error:
        return None
    if plain.startswith(_GZIP) or _BASE64.fullmatch(plain):
        return plain
    text = plain.decode("utf-8-sig", errors="replace")
    return plain if _is_multipart(text) or _is_known(text) or _not_run(text) else None


def _unzip(content: bytes) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as stream:
            plain = stream.read(LIMIT + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableError("damaged gzip: compress it again") from error
    if len(plain) > LIMIT:
        raise UnreadableError(f"larger than {LIMIT} bytes when unpacked")
    return plain


def _unreadable(error: UnreadableError, source: str) -> Document:
    return Document(source, problem=Verdict("", "error", str(error), source))
