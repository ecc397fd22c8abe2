"""HTTP/1.1 over a link: one request a connection. h11 knows the protocol, and does no I/O."""

import contextlib
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import h11

from agent.errors import TemporaryError
from agent.host.tls import Link

# How long a server may take to ask for the body, or refuse it, before the body is sent unasked (RFC 9110, 10.1.1).
_CONTINUE_SECONDS = 2.0
_LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Request:
    """A request without its body; target and header values may be secret, so neither is in the repr."""

    method: str
    target: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Response:
    """A response, its header names in lower case and its body cut at the caller's limit."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""


class Connection:
    """One exchange with a server; closes the link at the end."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._http = h11.Connection(h11.CLIENT)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._link.close()

    def fileno(self) -> int:
        return self._link.fileno()

    def exchange(self, request: Request, body: bytes | None = None, *, limit: int = 1 << 20) -> Response:
        """Send a small request, and return the response with at most `limit` bytes of its body."""
        self._send_head(request, {} if body is None else {"Content-Length": str(len(body))})
        if body:
            self._send(h11.Data(data=body))
        self._send(h11.EndOfMessage())
        return self._finish(self._head(), limit)

    def upload(self, request: Request, body: Iterable[bytes], *, length: int, limit: int) -> Response:
        """Send a large body, unless the server answers before it has all of it."""
        self._send_head(request, {"Content-Length": str(length), "Expect": "100-continue"})
        early = self._early_answer(_CONTINUE_SECONDS) or self._send_body(body)
        return self._finish(early or self._head(), limit)

    def begin(self, request: Request) -> Response:
        """Send a request without a body, and return the head of the response; `poll` gives its body as it comes."""
        self._send_head(request, {})
        self._send(h11.EndOfMessage())
        return _parsed(self._head())

    def read(self, *, limit: int) -> bytes:
        """Return at most `limit` bytes of the body after `begin`."""
        body = bytearray()
        while len(body) < limit and isinstance(event := self._next(), h11.Data):
            body += event.data
        return bytes(body[:limit])

    def poll(self) -> bytes | None:
        """Return what has come of the body since, without waiting; None where it has ended."""
        came = bytearray()
        try:
            while isinstance(event := self._event(), h11.Data) or (event is h11.NEED_DATA and self._receive()):
                if isinstance(event, h11.Data):
                    came += event.data
        except TemporaryError:
            if not came:
                raise  # what came before the connection broke is returned first
            event = h11.NEED_DATA
        return bytes(came) if came or event is h11.NEED_DATA else None

    def _send_head(self, request: Request, framing: Mapping[str, str]) -> None:
        headers = {"Host": self._link.authority, "Connection": "close", **request.headers, **framing}
        self._send(h11.Request(method=request.method, target=request.target, headers=list(headers.items())))

    def _send_body(self, body: Iterable[bytes]) -> h11.Response | None:
        """Send the body; a final answer that comes before its end ends the sending."""
        for chunk in body:
            try:
                self._send(h11.Data(data=chunk))
            except TemporaryError:
                # A server that refuses a body answers and closes: its answer says more than our broken pipe.
                with contextlib.suppress(TemporaryError):
                    if answer := self._early_answer(0.0):
                        return answer
                raise
            if answer := self._early_answer(0.0):
                return answer
        self._send(h11.EndOfMessage())
        return None

    def _early_answer(self, seconds: float) -> h11.Response | None:
        """Return a final answer that comes within a time; None where the body is wanted, or nothing was said."""
        deadline = time.monotonic() + seconds
        while True:
            event = self._event()
            if isinstance(event, h11.Response):
                return event
            if isinstance(event, h11.InformationalResponse):
                return None
            if event is not h11.NEED_DATA:
                raise TemporaryError(f"{self._link.host} closed the connection without an answer")
            if not self._receive() and not self._link.wait(deadline):
                return None

    def _finish(self, head: h11.Response, limit: int) -> Response:
        response = _parsed(head)
        return Response(response.status, response.headers, self.read(limit=limit))

    def _head(self) -> h11.Response:
        while True:
            event = self._next()
            if isinstance(event, h11.Response):
                return event
            if not isinstance(event, h11.InformationalResponse):
                raise TemporaryError(f"{self._link.host} closed the connection without an answer")

    def _next(self) -> object:
        """Return the next event of the response; what comes too slowly is an error.

        While the kernel still sends what we wrote, which takes minutes on a slow line, nobody can answer.
        """
        waits, unsent = self._link.waits, self._link.unsent()
        deadline = waits.deadline()
        while (event := self._event()) is h11.NEED_DATA:
            if self._receive() or self._link.wait(min(deadline, time.monotonic() + _LOOK_SECONDS)):
                continue
            left = self._link.unsent()
            if left < unsent:
                deadline, unsent = waits.deadline(), left
            elif time.monotonic() >= deadline:
                raise TemporaryError(f"{self._link.host} did not answer within {waits.patience:g} s")
        return event

    def _event(self) -> object:
        try:
            return self._http.next_event()
        except h11.RemoteProtocolError as error:
            raise TemporaryError(f"{self._link.host} broke off, or does not speak HTTP: {error}") from error

    def _receive(self) -> bool:
        """Hand what has arrived to the protocol, and say whether anything had."""
        data = self._link.receive()
        if data is None:
            return False
        self._http.receive_data(data)
        return True

    def _send(self, event: h11.Event) -> None:
        self._link.send(self._http.send(event) or b"")


def _parsed(head: h11.Response) -> Response:
    return Response(head.status_code, {name.decode(): value.decode("latin-1") for name, value in head.headers})
