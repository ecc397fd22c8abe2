"""Reads certificates as people paste them: PEM, base64 of PEM, base64 of DER. Private keys are refused."""

import base64
import binascii
import hashlib
import re
import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime

from agent import x509
from agent.configure.schema import RefusedError, rule

_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----", re.DOTALL)
_OPENING = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----")
_COLUMNS = 64
# RFC 5280 sets no limit; the largest public roots are below 3 KiB.
_MOST = 1024


@dataclass(frozen=True, slots=True)
class Certificate:
    """One X.509 certificate. A time is None where it is odd, or OpenSSL does not tell it, as of a leaf."""

    der: bytes = field(repr=False)
    is_authority: bool
    not_before: datetime | None = None
    not_after: datetime | None = None

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(self.der).hexdigest()

    @property
    def pem(self) -> str:
        body = base64.b64encode(self.der).decode()
        lines = [body[start : start + _COLUMNS] for start in range(0, len(body), _COLUMNS)]
        return "\n".join(["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""])


@rule("string", "certificates: base64 of PEM or DER, or PEM itself")
def read(raw: object) -> tuple[Certificate, ...]:
    """Rule: one certificate or more. Blank text is none, which switches a bundle off."""
    if not isinstance(raw, str):
        raise RefusedError("text: base64 of PEM certificates")
    if not raw.strip():
        return ()
    if "-----BEGIN" in raw:
        return _from_pem(raw)
    content = _from_base64(raw)
    if b"-----BEGIN" in content:
        return _from_pem(content.decode("ascii", errors="replace"))
    return (_from_der(content),)


@rule("string", "certificates: base64 of PEM or DER, or PEM itself, at least one")
def read_some(raw: object) -> tuple[Certificate, ...]:
    """Rule: as `read`, and at least one."""
    found = read(raw)
    if not found:
        raise RefusedError("base64 of at least one PEM certificate")
    return found


def blocks(pem: str) -> list[bytes]:
    """Return the DER of every well-formed certificate block, without looking into it."""
    found = (match[2] for match in _BLOCK.finditer(pem) if match[1] == "CERTIFICATE")
    return [der for der in map(_try_base64, found) if der is not None]


def _from_pem(text: str) -> tuple[Certificate, ...]:
    labels = _OPENING.findall(text)
    if any(label.endswith("PRIVATE KEY") for label in labels):
        raise RefusedError("certificates only: there is a private key in it, which belongs in no user data")
    if "TRUSTED CERTIFICATE" in labels:
        raise RefusedError("plain CERTIFICATE blocks: OpenSSL's TRUSTED CERTIFICATE is not understood elsewhere")
    found = [match for match in _BLOCK.finditer(text) if match[1] == "CERTIFICATE"]
    if not found:
        raise RefusedError("PEM with a whole CERTIFICATE block")
    if len(found) > _MOST or len(found) != labels.count("CERTIFICATE"):
        raise RefusedError(f"PEM in which every CERTIFICATE block ends, {_MOST} at most")
    return tuple(dict.fromkeys(_from_der(_from_base64(match[2])) for match in found))


def _from_der(content: bytes) -> Certificate:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=content)
    except ssl.SSLError as error:
        raise RefusedError("a certificate: what is in it is not X.509") from error
    stored = context.cert_store_stats()
    if stored["x509"] != 1:
        raise RefusedError("one certificate a block")
    not_before, not_after = _times(context)
    return Certificate(content, is_authority=stored["x509_ca"] == 1, not_before=not_before, not_after=not_after)


def _times(context: ssl.SSLContext) -> tuple[datetime | None, datetime | None]:
    described = x509.described(context)
    return _time(described.get("notBefore")), _time(described.get("notAfter"))


def _time(text: object) -> datetime | None:
    try:
        return datetime.fromtimestamp(ssl.cert_time_to_seconds(text), UTC) if isinstance(text, str) else None
    except ValueError:  # such as 30 February: OpenSSL reads a certificate without looking at its times
        return None


def _from_base64(text: str) -> bytes:
    content = _try_base64(text)
    if not content:
        raise RefusedError("base64 (the standard alphabet, with padding) of PEM certificates")
    return content


def _try_base64(text: str) -> bytes | None:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):  # ValueError: not ASCII
        return None
