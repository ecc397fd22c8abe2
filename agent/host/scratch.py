"""One output on its way into a bundle: secrets cut, kept within a limit, on disk instead of in memory."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from agent.outputs import Keep
from agent.redaction import Redactor

_CHUNK = 1 << 18


class Scratch:
    """A file that takes a stream, and keeps its first or its last `limit` bytes.

    The last bytes are kept in a ring: the file never grows past the limit, however long the stream.
    """

    def __init__(self, path: Path, *, limit: int, keep: Keep) -> None:
        self.bytes_read = 0
        self._redactor = Redactor()
        self._path = path
        self._limit = max(limit, 1)
        self._ring = keep is Keep.TAIL
        self._passed = 0
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)

    @property
    def size(self) -> int:
        return min(self._passed, self._limit)

    @property
    def truncated(self) -> bool:
        return self._passed > self._limit

    @property
    def redactions(self) -> int:
        return self._redactor.count

    def write(self, data: bytes) -> bool:
        """Take a piece of the stream, and say whether more of it can be of use."""
        self.bytes_read += len(data)
        self._pass(self._redactor.feed(data))
        return self._ring or not self.truncated

    def finish(self) -> None:
        """Take in what the redaction still held; the stream has ended."""
        self._pass(self._redactor.close())

    def chunks(self) -> Iterator[bytes]:
        """Give what was kept, in order."""
        start = self._passed % self._limit if self._ring and self.truncated else 0
        yield from self._read(start, self.size)
        yield from self._read(0, start)

    def sha256(self) -> str:
        digest = hashlib.sha256()
        for chunk in self.chunks():
            digest.update(chunk)
        return digest.hexdigest()

    def discard(self) -> None:
        """Give the disk space back."""
        os.close(self._handle)
        self._path.unlink(missing_ok=True)

    def _pass(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            place = self._passed % self._limit if self._ring else self._passed
            room = self._limit - place
            if room <= 0:
                self._passed += len(view)
                return
            written = os.pwrite(self._handle, view[:room], place)
            self._passed += written
            view = view[written:]

    def _read(self, start: int, end: int) -> Iterator[bytes]:
        while start < end:
            chunk = os.pread(self._handle, min(_CHUNK, end - start), start)
            if not chunk:
                return
            start += len(chunk)
            yield chunk
