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
