"""The IMDSv2 protocol without its sockets: which request comes next, and what each answer means.

A `Session` gives one generator a read: it yields requests, is sent their answers, and returns the body, or None where
there is nothing. https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
"""

import re
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field

from agent.errors import FailedError, TemporaryError

TOKEN_PATH = "/latest/api/token"
BODY_LIMIT = 1 << 20
_TTL = 21600.0  # the longest that IMDS gives
_TTL_HEADER = "x-aws-ec2-metadata-token-ttl-seconds"
_TOKEN_HEADER = "x-aws-ec2-metadata-token"
_TOKEN_LIMIT = 1024
# A token is renewed when a tenth of its life, or a minute, is left; a renewal that fails is tried again a minute later.
_EARLY_SHARE = 0.1
_EARLY_SECONDS = 60.0
_RENEWAL_PAUSE = 60.0
# EC2 answers 403 for a moment while the service's options change; after this it means "disabled".
_REFUSAL_WINDOW = 30.0
_RETRY_AFTER_CAP = 30.0
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request; its headers, which may hold the token, are in no repr."""

    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)

    def encode(self, host: str) -> bytes:
        """Return the request as it goes over the wire."""
        headers = {"host": host, "accept": "*/*", **self.headers}
        lines = [f"{self.method} {self.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join([*lines, "", ""]).encode("ascii")


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer; header names are in lower case, and its body is in no repr."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def settles(self) -> bool:
        """Whether another address of the service would say the same: it is up, and takes requests from us."""
        return self.status in {200, 400, 401, 404}


Flow = Generator[Request, Answer, bytes | None]


class Session:
    """The token of one client and what it takes to read with it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._token = ""
        self._ttl = 0.0
        self._expires = 0.0
        self._next_renewal = 0.0
        self._refused_since: float | None = None

    def read(self, path: str) -> Flow:
        """Read what is at `path` (below `latest/`): TemporaryError while it is unknown, None where it is absent."""
        token = yield from self._living_token()
        answer = yield _get(path, token)
        if answer.status == 401:
            self._token = ""
            token = yield from self._new_token()
            answer = yield _get(path, token)
        return _body(path, answer)

    def _living_token(self) -> Generator[Request, Answer, str]:
        now = self._clock()
        if not self._token or now >= self._expires:
            return (yield from self._new_token())
        due = self._expires - now < max(_EARLY_SECONDS, self._ttl * _EARLY_SHARE)
        if due and now >= self._next_renewal:
            try:
                return (yield from self._new_token())
            except TemporaryError:
                self._next_renewal = now + _RENEWAL_PAUSE  # the present one still holds
        return self._token

    def _new_token(self) -> Generator[Request, Answer, str]:
        asked = self._clock()
        answer = yield Request("PUT", TOKEN_PATH, {_TTL_HEADER: f"{_TTL:.0f}", "content-length": "0"})
        if answer.status == 403:
            raise self._refusal(asked)
        self._refused_since = None
        if answer.status == 400:
            raise FailedError("IMDS refuses our token request as malformed (400)", hint="report this as a defect")
        if answer.status != 200:
            raise _unknown(f"PUT {TOKEN_PATH}", answer)
        self._token = _token(answer.body)
        given = answer.headers.get(_TTL_HEADER, "")
        self._ttl = min(_TTL, float(given)) if given.isdecimal() else _TTL
        self._expires = asked + self._ttl
        return self._token

    def _refusal(self, now: float) -> TemporaryError | FailedError:
        if self._refused_since is None:
            self._refused_since = now
        kind = TemporaryError if now - self._refused_since < _REFUSAL_WINDOW else FailedError
        return kind(
            "the instance metadata service is disabled, or refuses this host (403 to the token request)",
            hint="enable it: aws ec2 modify-instance-metadata-options --http-endpoint enabled",
        )


def text(path: str, body: bytes) -> str:
    """Return a metadata value as text, without one newline at its end; what cannot be a value is an error."""
    try:
        value = body.decode().removesuffix("\n")
    except UnicodeDecodeError as error:
        raise FailedError(f"IMDS's {path} is not UTF-8", hint="compare it with curl on the node") from error
    if _CONTROL.search(value):
        raise FailedError(f"IMDS's {path} has control characters in it", hint="compare it with curl on the node")
    return value


def _get(path: str, token: str) -> Request:
    return Request("GET", f"/latest/{path}", {_TOKEN_HEADER: token})


def _body(path: str, answer: Answer) -> bytes | None:
    if answer.status == 200:
        return answer.body
    if answer.status == 404:
        return None
    if answer.status == 400:
        raise FailedError(f"IMDS refuses GET {path} as malformed (400)", hint="report this as a defect")
    raise _unknown(f"GET {path}", answer)


def _unknown(what: str, answer: Answer) -> TemporaryError:
    wish = answer.headers.get("retry-after", "")
    return TemporaryError(
        f"IMDS answered {what} with status {answer.status}",
        hint="nothing to do if it passes; else see the instance's metadata options",
        retry_after=min(float(wish), _RETRY_AFTER_CAP) if wish.isdecimal() else None,
    )


def _token(body: bytes) -> str:
    """Return the token; one that is not plain printable ASCII would change the requests it is sent in."""
    if not 0 < len(body) <= _TOKEN_LIMIT or not all(0x21 <= byte <= 0x7E for byte in body):
        raise TemporaryError("IMDS gave a token that is none", hint="see whether something else answers for IMDS")
    return body.decode("ascii")
