"""Cuts secrets out of text: what the logger, the status writer and the bundle writer put their lines through."""

import re
from dataclasses import dataclass

CUT = "<redacted>"

_SIGNED_URL = re.compile(
    r"(?P<keep>https?://[^\s?\"'<>]+\?)[^\s\"'<>]*"
    r"(?:X-Amz-(?:Signature|Credential|Security-Token)|AWSAccessKeyId|Signature)=[^\s\"'<>]*",
    re.IGNORECASE,
)
_BARE_QUERY = re.compile(
    r"(?P<keep>\b(?:X-Amz-(?:Signature|Credential|Security-Token)|AWSAccessKeyId)=)[^\s&\"'<>]+",
    re.IGNORECASE,
)
# No key is longer than 16 KiB: a log that only mentions the marker does not lose what follows for good.
_PRIVATE_KEY = re.compile(r"(?P<keep>-----BEGIN [A-Z ]*PRIVATE KEY-----)(?:(?!-----).){1,16384}", re.DOTALL)
_PATTERNS: tuple[re.Pattern[str], ...] = (
    _PRIVATE_KEY,
    _SIGNED_URL,
    _BARE_QUERY,
    re.compile(r"(?P<keep>k8s-aws-v1\.)[A-Za-z0-9_-]+"),
    re.compile(r"(?P<keep>\b[Bb]earer\s+)[A-Za-z0-9._~+/=-]{8,}"),
    re.compile(r"(?P<keep>\b[a-z][a-z0-9+.-]{1,10}://)[^\s/:@\"']*:[^\s/@\"']+(?=@)", re.IGNORECASE),
    re.compile(r"(?P<keep>\b(?:AKIA|ASIA))[A-Z0-9]{16}\b"),
    re.compile(
        r"(?P<keep>\b(?:aws_?secret_?access_?key|secret_?access_?key|session_?token|security_?token|"
        r"x-aws-ec2-metadata-token|bootstrap-token|passw(?:or)?d|identitytoken)\b[\"']?\s*[:=]\s*[\"']?)[^\s\"',}]+",
        re.IGNORECASE,
    ),
    re.compile(r"(?P<keep>\beyJ)[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"),
)


@dataclass(frozen=True, slots=True)
class Redacted:
    """Text without its secrets, and how many were cut."""

    text: str
    count: int


def cut_secrets(text: str) -> Redacted:
    """Replace every secret in `text`; what stands before it stays, so that a reader sees what was cut."""
    total = 0
    for pattern in _PATTERNS:
        text, count = pattern.subn(lambda match: match["keep"] + CUT, text)
        total += count
    return Redacted(text, total)


def redact(text: str) -> str:
    """Return `text` without its secrets."""
    return cut_secrets(text).text


# Lines are cut in blocks of this size: large enough to be fast, small enough for memory.
_BLOCK = 256 << 10
# The longest private key that is waited for before its block is cut: an RSA key of 16,384 bits takes 13 KiB.
_LONGEST_KEY = 32 << 10
# Text without any space is cut where it comes to this size: memory must end somewhere.
_LONGEST_WORD = 1 << 20


class Redactor:
    """Cuts secrets out of a stream: whole lines at a time, and a private key over many lines in one piece.

    Bytes that are not UTF-8 pass through unchanged.
    """

    def __init__(self) -> None:
        self.count = 0
        self._held = bytearray()

    def feed(self, data: bytes) -> bytes:
        """Take what came, and return what can be passed on."""
        self._held += data
        return b"" if len(self._held) < _BLOCK else self._cut(_seam(self._held))

    def close(self) -> bytes:
        """Return the rest."""
        return self._cut(len(self._held))

    def _cut(self, end: int) -> bytes:
        block = bytes(self._held[:end]).decode(errors="surrogateescape")
        del self._held[:end]
        found = cut_secrets(block)
        self.count += found.count
        return found.text.encode(errors="surrogateescape")


def _seam(held: bytearray) -> int:
    """Return where a block may end: before a private key that has not ended, else after a line, else after a word."""
    key = held.rfind(b"-----BEGIN ")
    if key >= 0 and len(held) - key < _LONGEST_KEY and held.find(b"-----END ", key) < 0:
        return key
    seam = held.rfind(b"\n") + 1 or held.rfind(b" ") + 1
    return seam or (len(held) if len(held) >= _LONGEST_WORD else 0)
