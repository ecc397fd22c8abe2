"""One HTTP/1.1 answer, as it comes in pieces (RFC 9112): small, as the metadata service is asked all day long.

No trailers, no folded headers and no upgrade: the metadata service sends none, and what it would mean is not guessed.
"""

import re

from agent.imdsv2 import BODY_LIMIT, Answer

_HEAD_LIMIT = 1 << 16
_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: [^\x00-\x08\x0a-\x1f\x7f]*)?")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*?)[ \t]*")
_SIZE = re.compile(rb"[0-9]{1,15}")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?\r\n")
_CHUNK_HEAD_LIMIT = 1 << 10


class BrokenAnswerError(Exception):
    """What came is no answer, or none that ends within the limits."""


class Incoming:
    """Takes the pieces of one answer to a request that is no HEAD; b"" says that the other side has closed."""

    def __init__(self) -> None:
        self._came = bytearray()
        self._status = 0
        self._headers: dict[str, str] = {}
        self._size: int | None = None
        self._is_chunked = False
        self._stays = False
        self._body = bytearray()

    @property
    def reusable(self) -> bool:
        """Whether the connection can carry another request once the answer is whole."""
        return self._stays and not self._came

    def feed(self, data: bytes) -> Answer | None:
        """Take a piece, and return the answer where it is whole; BrokenAnswerError where it never will be."""
        self._came += data
        if self._status or self._read_head():
            is_whole = self._read_chunks() if self._is_chunked else self._read_body(data)
            if len(self._body) > BODY_LIMIT:
                raise BrokenAnswerError(f"an answer of more than {BODY_LIMIT} bytes")
            if is_whole:
                return Answer(self._status, self._headers, bytes(self._body))
        if not data:
            raise BrokenAnswerError("the connection was closed in mid-answer")
        return None

    def _read_head(self) -> bool:
        """Read status line and headers, without what a server says before the answer proper (1xx)."""
        while (end := self._came.find(b"\r\n\r\n")) >= 0:
            status_line, *lines = bytes(self._came[:end]).split(b"\r\n")
            del self._came[: end + 4]
            matched = _STATUS.fullmatch(status_line)
            if not matched:
                raise BrokenAnswerError(f"no status line of HTTP: {status_line[:100]!r}")
            if int(matched[2]) >= 200:
                self._begin(int(matched[2]), _headers(lines), persists=matched[1] == b"1")
                return True
        if len(self._came) > _HEAD_LIMIT:
            raise BrokenAnswerError(f"headers of more than {_HEAD_LIMIT} bytes")
        return False

    def _begin(self, status: int, headers: dict[str, str], *, persists: bool) -> None:
        coding, size = headers.get("transfer-encoding"), headers.get("content-length")
        if coding is not None and coding.lower() != "chunked":
            raise BrokenAnswerError(f"a body in an unknown coding: {coding[:100]!r}")
        if size is not None and not _SIZE.fullmatch(size.encode("latin-1")):
            raise BrokenAnswerError(f"a body of no length: {size[:100]!r}")
        self._is_chunked = coding is not None
        self._size = 0 if status in {204, 304} else int(size) if size is not None else None
        has_end = self._is_chunked or self._size is not None
        self._stays = persists and has_end and "close" not in headers.get("connection", "").lower()
        self._status, self._headers = status, headers

    def _read_body(self, data: bytes) -> bool:
        wanted = len(self._came) if self._size is None else self._size - len(self._body)
        self._body += self._came[:wanted]
        del self._came[:wanted]
        return not data if self._size is None else len(self._body) == self._size

    def _read_chunks(self) -> bool:
        """Read what is there of the chunks, and say whether the last one was among them."""
        while matched := _CHUNK.match(self._came):
            start, size = matched.end(), int(matched[1], 16)
            if len(self._body) + size > BODY_LIMIT:
                raise BrokenAnswerError(f"an answer of more than {BODY_LIMIT} bytes")
            if len(self._came) < start + size + 2:
                return False
            if self._came[start + size : start + size + 2] != b"\r\n":
                raise BrokenAnswerError("a chunk that is longer than it says")
            self._body += self._came[start : start + size]
            del self._came[: start + size + 2]
            if not size:
                return True
        if b"\r\n" in self._came or len(self._came) > _CHUNK_HEAD_LIMIT:
            raise BrokenAnswerError(f"no length of a chunk: {bytes(self._came[:100])!r}")
        return False


def _headers(lines: list[bytes]) -> dict[str, str]:
    """Return the headers under their names in lower case; those that come twice are joined."""
    headers: dict[str, str] = {}
    for line in lines:
        matched = _FIELD.fullmatch(line)
        if not matched:
            raise BrokenAnswerError(f"no header of HTTP: {line[:100]!r}")
        name, value = matched[1].decode().lower(), matched[2].decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers
