"""TLS inside TLS: a session in the tunnel of a proxy that is itself spoken to by TLS.

Python wraps sockets of the kernel only. Here OpenSSL's session works on memory, and its records travel as the data of
the outer session.
"""

import ssl

# A record of TLS holds no more (RFC 8446, 5.1).
_RECORD = 1 << 14


class NestedTls:
    """Behaves as an `ssl.SSLSocket` that never blocks: its exceptions say what the same call must wait for."""

    def __init__(self, outer: "ssl.SSLSocket | NestedTls", context: ssl.SSLContext, host: str) -> None:
        self._outer = outer
        self._came, self._leaves = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._session = context.wrap_bio(self._came, self._leaves, server_hostname=host)
        self._unsent = memoryview(b"")
        self._taken = 0

    def fileno(self) -> int:
        return self._outer.fileno()

    def close(self) -> None:
        self._outer.close()

    def do_handshake(self) -> None:
        while True:
            try:
                self._session.do_handshake()
            except ssl.SSLWantReadError:
                self._feed()
            else:
                return self._flush()

    def recv(self, size: int) -> bytes:
        while True:
            try:
                return self._session.read(size)
            except ssl.SSLWantReadError:
                self._feed()
            except ssl.SSLEOFError:
                return b""  # as an SSLSocket does: the length of a body tells whether it is whole

    def send(self, data: memoryview) -> int:
        """Return how much was taken, once its record has left: whoever waits to read next has nothing left to send."""
        if not self._taken:
            self._taken = self._session.write(data[:_RECORD])
        self._flush()
        taken, self._taken = self._taken, 0
        return taken

    def _feed(self) -> None:
        self._flush()
        received = self._outer.recv(_RECORD)
        if received:
            self._came.write(received)
        else:
            self._came.write_eof()

    def _flush(self) -> None:
        while self._unsent or self._leaves.pending:
            self._unsent = self._unsent or memoryview(self._leaves.read())
            self._unsent = self._unsent[self._outer.send(self._unsent) :]
