"""Uploads: a file in one PUT or POST, streamed, to a peer that has been looked at first."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from agent.errors import FailedError, TemporaryError
from agent.host import files, tls
from agent.host.https import Connection, Request, Response
from agent.proxies import Proxy

CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
_CHUNK = 1 << 17
# S3's errors have some 500 bytes; what a hostile server sends beyond this is not read.
_ANSWER_LIMIT = 16 << 10
# Without any progress, also when S3 writes down what it got.
_PATIENCE = 60.0
# How slow a line may be: by this the size of a file says how long it may take at most.
_SLOWEST = 16 << 10
_WINDOW = 60.0
# A line that falls below this part of its own rate has stalled; another connection may do better.
_STALLED = 0.1
_AGAIN = "edit or recreate the object, so that it is collected anew"


@dataclass(frozen=True, slots=True)
class Target:
    """Where a file goes; `target` is path and query of the URL, and secret."""

    host: str
    port: int
    target: str = field(repr=False)
    plain: bool = False
    proxy: Proxy | None = None


@dataclass(frozen=True, slots=True)
class Parcel:
    """A file, and what stands before and after it in the body; all but the file may be secret."""

    source: Path
    method: str = "PUT"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    before: bytes = field(default=b"", repr=False)
    after: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Uploader:
    """Sends files; the CA bundle is read anew for each, as configure may have changed it."""

    tick: tls.Tick = tls.no_tick
    ca_bundle: Path = Path(CA_BUNDLE)

    def send(self, target: Target, parcel: Parcel, *, check_peer: tls.CheckPeer) -> Response:
        """Send the file once, and return the answer, whatever it is; redirects are not followed."""
        context = None if target.plain else self._context()
        way = tls.Way(context, check_peer, None if target.plain else target.proxy)
        link = tls.connect((target.host, target.port), way, tls.Waits(self.tick, _PATIENCE))
        with Connection(link) as connection:
            length = len(parcel.before) + _size(parcel.source) + len(parcel.after)
            request = Request(parcel.method, target.target, parcel.headers)
            return connection.upload(request, _body(parcel), length=length, limit=_ANSWER_LIMIT)

    def _context(self) -> tls.Context:
        try:
            return tls.trusting(self.ca_bundle)
        except OSError as error:
            hint = "see `systemctl status node-agent-configure`"
            raise TemporaryError(f"cannot read the CA bundle {self.ca_bundle}: {error}", hint=hint) from error


class Pace:
    """Whether a transfer goes on fast enough, by what it has come to so far: looked at once a minute."""

    def __init__(self, now: float) -> None:
        self._began = self._marked = now
        self._sent = self._sent_at_mark = 0

    def sent(self, count: int, now: float) -> None:
        """Count what was taken; TemporaryError where it is too slow to go on."""
        self._sent += count
        window = now - self._marked
        if window < _WINDOW:
            return
        least = max(_SLOWEST, _STALLED * self._sent / (now - self._began))
        rate = (self._sent - self._sent_at_mark) / window
        if rate < least:
            raise TemporaryError(f"the upload has slowed to {rate:.0f} bytes/s after {self._sent} bytes")
        self._marked, self._sent_at_mark = now, self._sent


def _body(parcel: Parcel) -> Iterator[bytes]:
    pace = Pace(time.monotonic())
    for chunk in _pieces(parcel):
        yield chunk
        pace.sent(len(chunk), time.monotonic())


def _pieces(parcel: Parcel) -> Iterator[bytes]:
    if parcel.before:
        yield parcel.before
    try:
        file = files.open_regular(parcel.source)
        if file is None:
            raise FailedError(f"{parcel.source.name} is gone", hint=_AGAIN)
        with file:
            while chunk := file.read(_CHUNK):
                yield chunk
    except OSError as error:
        raise _unreadable(parcel.source, error) from error
    if parcel.after:
        yield parcel.after


def _size(source: Path) -> int:
    try:
        return source.stat().st_size
    except OSError as error:
        raise _unreadable(source, error) from error


def _unreadable(source: Path, error: OSError) -> FailedError:
    return FailedError(f"cannot read {source.name}: {error.strerror}", hint=_AGAIN)
