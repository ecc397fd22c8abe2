"""What a server's answer to an upload means, in S3's own words, and how long the upload is tried at all."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum, auto

from agent import loop

# How long a URL that does not say when it ends is tried.
UNKNOWN_LIFETIME = timedelta(hours=1)
# A URL that has expired by our clock alone is tried for this long: S3's clock decides, and ours may be wrong.
_DOUBT = timedelta(minutes=2)
# S3 and its clients put up with this much (RequestTimeTooSkewed).
_WRONG_CLOCK = timedelta(minutes=15)
_WORD_LIMIT = 200

_NEW_URL = "sign a new URL, and edit or recreate the object"
_REGIONAL = "redirects are not followed: sign the URL for the bucket's own region and its regional endpoint"
_CURES: Mapping[str, str] = {
    "AccessDenied": "let the signer's role put this key; see the bucket's policy and KMS key",
    "EntityTooLarge": "ask for fewer categories, or allow larger objects",
    "ExpiredToken": f"the credentials that signed the URL have expired: {_NEW_URL}",
    "InvalidAccessKeyId": f"the key that signed the URL does not exist any more: {_NEW_URL}",
    "NoSuchBucket": "sign the URL for a bucket that exists",
    "SignatureDoesNotMatch": "sign with s3v4, for this method, the host alone, and change nothing of the URL",
}


class Next(Enum):
    """What an answer means for the upload."""

    DONE = auto()
    AGAIN = auto()
    GIVE_UP = auto()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an answer means, S3's own words for it, and what to do; `date` is the server's clock."""

    next: Next
    status: int
    code: str = ""
    message: str = ""
    hint: str = ""
    retry_after: float | None = None
    date: datetime | None = None


def judge(status: int, headers: Mapping[str, str], body: bytes) -> Verdict:
    """Return what an answer means."""
    code, message = _element(body, "Code"), _element(body, "Message")
    date = _date(headers.get("date", ""))
    if 200 <= status < 300:
        return Verdict(Next.DONE, status, code, message, date=date)
    transient = status in {408, 425, 429} or status >= 500 or code in {"SlowDown", "RequestTimeout"}
    if transient:
        after = loop.wish(headers.get("retry-after", ""))
        return Verdict(Next.AGAIN, status, code, message, retry_after=after, date=date)
    return Verdict(Next.GIVE_UP, status, code, message, _cure(status, code, message), date=date)


class Lifetime:
    """How long a URL is tried, by the server's clock as soon as it has told its time."""

    def __init__(self, expires: datetime | None, now: datetime, clock: Callable[[], float]) -> None:
        self.expires = expires
        self._clock = clock
        self._ends = (expires or now + UNKNOWN_LIFETIME).timestamp()
        self._own = now.timestamp() - clock()
        self._skew = 0.0
        self._base = min(self._own, self._ends - _DOUBT.total_seconds() - clock())

    def now(self) -> float:
        """Return the time of day in seconds, as the server has it if it has said so."""
        return self._base + self._clock()

    def left(self) -> float:
        return self._ends - self.now()

    def heard(self, date: datetime | None) -> None:
        """Take the time that an answer came with."""
        if date is not None:
            self._base = date.timestamp() - self._clock()
            self._skew = self._own - self._base

    def trouble(self) -> str:
        """Say how wrong the node's clock is, where that matters."""
        if abs(self._skew) < _WRONG_CLOCK.total_seconds():
            return ""
        return f"the node's clock is {abs(self._skew):.0f} s {'ahead' if self._skew > 0 else 'behind'}"


def _cure(status: int, code: str, message: str) -> str:
    if 300 <= status < 400 or code in {"PermanentRedirect", "TemporaryRedirect"}:
        return _REGIONAL
    if "expired" in message.lower() and code != "ExpiredToken":
        return f"the URL has expired: {_NEW_URL}"
    return _CURES.get(code, "")


def _date(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
    except ValueError:
        return None


def _element(body: bytes, name: str) -> str:
    """Return an element of S3's error, printable and short; no XML parser sees what a stranger sent."""
    found = re.search(rf"<{name}>([^<]*)</{name}>", body.decode(errors="replace"))
    text = "".join(char if char.isprintable() else " " for char in found[1]) if found else ""
    return " ".join(text.split())[:_WORD_LIMIT]
