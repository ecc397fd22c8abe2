"""Decodes user data, which anybody may have written: bytes in, documents or the reason why there is none out."""

import base64
import binascii
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from typing import Any

from agent.configure import lift, objects
from agent.configure.merging import Document
from agent.configure.texts import UnreadableError, read_json, read_toml
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
_TOML = re.compile(r"""^[ \t]*+\[{0,2}+[ \t]*+["']?settings["']?[ \t]*+[].=]""", re.MULTILINE)
_MANIFEST = re.compile(r"^[ \t]*+(apiVersion|kind|\"apiVersion\"|\"kind\"):", re.MULTILINE)
_TOML_TYPES = ("application/toml", "application/x-toml", "text/toml", "text/x-bottlerocket-toml")
_NODE_CONFIG_TYPE = "application/node.eks.aws"
# What people also launch instances with, by how it begins; it is said, not run.
_NOT_RUN = {
    "#!": "a shell script",
    "#cloud-config": "a #cloud-config document",
    "#include": "a cloud-init #include",
    "#upstart": "a job of Upstart",
    "#part-handler": "a part handler of cloud-init",
    "## template": "a template of cloud-init",
    "<": "XML or HTML",
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
    text = _text(content)
    if not text.strip():
        yield Document(source, blank=True)
    elif _HEADER.match(text) and _MULTIPART.search(text):
        yield from _multipart(text, source)
    else:
        yield from _one(text, source)


def _multipart(text: str, source: str) -> Iterator[Document]:
    from agent.configure import mime

    found = mime.parts(text.lstrip().encode())
    if found is None:
        raise UnreadableError("a MIME document without a boundary in its Content-Type: give it one")
    if not found:
        yield Document(source, unread="a MIME document in which every part is blank")
    for number, (kind, body) in enumerate(found, 1):
        yield from _part(kind, body, f"{source}, part {number}")


def _part(kind: str, body: bytes, source: str) -> Iterator[Document]:
    """Give what a part holds, going by its type and, where that says nothing, by how it begins."""
    try:
        text = _text(body)
        if kind in _TOML_TYPES:
            yield _toml(text, source)
        elif kind == _NODE_CONFIG_TYPE or _not_run(text) or _is_known(text):
            yield from _one(text, source)
        elif text.strip():
            yield Document(source, unread=f"of type {kind[:80]}")
    except UnreadableError as error:
        yield _unreadable(error, source)


def _one(text: str, source: str) -> Iterator[Document]:
    stranger = _not_run(text)
    if stranger:
        yield Document(source, unread=stranger)
    elif text.lstrip().startswith("{"):
        yield _tree(read_json(text), source)
    elif _MANIFEST.search(text) and not _TOML.search(text):
        yield from _yaml(text, source)
    else:
        yield _toml(text, source)


def _yaml(text: str, source: str) -> Iterator[Document]:
    from agent.configure import yaml_text

    trees = yaml_text.read(text)
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
    return bool(text.lstrip().startswith("{") or _MANIFEST.search(text) or _TOML.search(text))


def _not_run(text: str) -> str:
    beginning = text.lstrip()[:80].lower()
    return next((form for mark, form in _NOT_RUN.items() if beginning.startswith(mark)), "")


def _text(content: bytes) -> str:
    plain = _unwrap(content)
    try:
        # Editors on Windows put a byte order mark first, and tools pad with NUL, which no format has.
        return plain.decode("utf-8-sig").rstrip("\0")
    except UnicodeDecodeError as error:
        raise UnreadableError(f"not UTF-8 at byte {error.start}: send text, or gzip or base64 of it") from error


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
    is_multipart = _HEADER.match(text) and _MULTIPART.search(text)
    return plain if is_multipart or _is_known(text) or _not_run(text) else None


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
