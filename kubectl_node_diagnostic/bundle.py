"""Reads a bundle that somebody else wrote: every entry, one after another, with a limit on all that it may claim.

Nothing is ever written to disk under a name from the bundle, and of tar only what a bundle needs is understood: links,
devices, sparse files and folders are counted, not followed. The tarfile module would read a header of any size into
memory before anybody could look at it.
"""

import gzip
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, Protocol

from agent.errors import FailedError

_BLOCK = tarfile.BLOCKSIZE
_REGULAR = {tarfile.REGTYPE, tarfile.AREGTYPE}
# What says more of the entry behind it: pax, or GNU's long names, which the agent writes.
_PAX, _LONG_NAME, _LONG_LINK = tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK
_MOST_HEADER = 64 << 10
_MOST_ENTRIES = 200_000
# Eight times the agent's own limit of a bundle; what is read is never kept, so a bomb costs time only.
_MOST_BYTES = 32 << 30
_CHUNK = 1 << 18
_HINT = "it may be cut off or not a bundle at all: compare its size and sha256 with the NodeDiagnostic's status"


class Reader(Protocol):
    """What a bundle is read from."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry; `odd` says why it is none that a bundle has."""

    path: str
    size: int
    odd: str
    content: "Content"


class Content:
    """The bytes of an entry, read at most once, while it is the current one."""

    def __init__(self, reader: "_Counted", size: int) -> None:
        self._reader = reader
        self._left = size
        self._padding = -size % _BLOCK

    def chunks(self) -> Iterator[bytes]:
        """Yield what has not been read yet."""
        while self._left:
            chunk = self._reader.exactly(min(_CHUNK, self._left))
            self._left -= len(chunk)
            yield chunk

    def take(self, limit: int) -> bytes | None:
        """Return all of it; None where it is longer than `limit`."""
        return None if self._left > limit else b"".join(self.chunks())

    def skip(self) -> None:
        """Go to where the next entry begins."""
        for _ in self.chunks():
            pass
        self._reader.exactly(self._padding)
        self._padding = 0


def entries(file: IO[bytes]) -> Iterator[Entry]:
    """Yield the entries of a .tar.gz in their order."""
    with gzip.GzipFile(fileobj=file, mode="rb") as plain:
        reader = _Counted(plain)
        pax: dict[str, str] = {}
        long: str | None = None
        for _ in range(_MOST_ENTRIES):
            header = _header(reader)
            if header is None:
                reader.drain()  # only the very end tells whether the checksum is right
                return
            reader.expect(header.size)
            content = Content(reader, header.size)
            if header.type in {_PAX, _LONG_NAME, _LONG_LINK}:
                said = _said(content)
                pax = _records(said) if header.type == _PAX else pax
                long = _text(said.partition(b"\0")[0]) if header.type == _LONG_NAME else long
                continue
            yield _entry(header, content, pax, long)
            pax, long = {}, None
            content.skip()
        raise FailedError(f"the bundle has more than {_MOST_ENTRIES} entries", hint=_HINT)


class _Counted:
    """Reads at most so many bytes in all."""

    def __init__(self, plain: Reader) -> None:
        self._plain = plain
        self._left = _MOST_BYTES

    def expect(self, size: int) -> None:
        """Refuse what would be too much before it is read."""
        if size > self._left:
            raise FailedError(f"the bundle unpacks to more than {_MOST_BYTES >> 30} GiB", hint=_HINT)

    def exactly(self, size: int) -> bytes:
        found = self._read(size)
        if len(found) < size:
            raise FailedError("the bundle ends in the middle of an entry", hint=_HINT)
        return found

    def drain(self) -> None:
        while self._read(_CHUNK):
            pass

    def _read(self, size: int) -> bytes:
        self.expect(size)
        try:
            found = self._plain.read(size)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise FailedError(f"the bundle cannot be unpacked: {error}", hint=_HINT) from error
        self._left -= len(found)
        return found


def _header(reader: _Counted) -> tarfile.TarInfo | None:
    """Return the next header, None at the end."""
    block = reader.exactly(_BLOCK)
    if not block.strip(b"\0"):
        return None
    try:
        header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError as error:
        raise FailedError(f"the bundle has a broken header: {error}", hint=_HINT) from error
    if header.size < 0:
        raise FailedError("the bundle has an entry of negative size", hint=_HINT)
    return header


def _said(content: Content) -> bytes:
    """Return what is said of the next entry."""
    found = content.take(_MOST_HEADER)
    if found is None:
        raise FailedError(f"the bundle has a header of more than {_MOST_HEADER >> 10} KiB", hint=_HINT)
    content.skip()
    return found


def _entry(header: tarfile.TarInfo, content: Content, pax: Mapping[str, str], long: str | None) -> Entry:
    path = pax.get("path", header.name if long is None else long)
    # What is said in two ways, and means something else to another reader, would hide entries from one of the two.
    twice = {"size": "size" in pax, "path": "path" in pax and long is not None}
    odd = next((f"its {what} is said twice" for what, is_twice in twice.items() if is_twice), "")
    return Entry(path, header.size, odd or _oddity(header, path), content)


def _records(content: bytes) -> dict[str, str]:
    """Parse a pax header: records of `LENGTH KEY=VALUE` and a line end."""
    found = {}
    while content:
        digits, _, _ = content.partition(b" ")
        length = int(digits) if digits.isdigit() and len(digits) < 6 else 0
        record = content[len(digits) + 1 : length]
        key, equals, value = record.removesuffix(b"\n").partition(b"=")
        # A length of nought would be read for ever.
        if not equals or not record.endswith(b"\n") or length > len(content):
            raise FailedError("the bundle has a broken extended header", hint=_HINT)
        found[key.decode(errors="replace")] = _text(value)
        content = content[length:]
    return found


def _text(name: bytes) -> str:
    return name.decode(errors="surrogateescape")


def _oddity(header: tarfile.TarInfo, path: str) -> str:
    if header.type not in _REGULAR:
        return "it is no regular file"
    parts = PurePosixPath(path).parts
    if path.startswith("/") or ".." in parts or not parts:
        return "its path leads out of the bundle"
    return ""
