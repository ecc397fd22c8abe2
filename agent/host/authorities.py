"""Certificate authorities in a file, as OpenSSL reads them."""

import hashlib
import ssl
from dataclasses import dataclass
from pathlib import Path

from agent import x509
from agent.errors import FailedError
from agent.host import files

_LIMIT = 8 << 20
_UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Authority:
    """One certificate authority: `not_after` as OpenSSL prints it, `sha256` of the certificate.

    Subject and end are "unknown" where OpenSSL cannot tell them, and trusts it all the same.
    """

    subject: str
    not_after: str
    sha256: str


def read(path: Path) -> list[Authority] | None:
    """Return the certificate authorities of a PEM file in its order, or None where there is no file."""
    content = files.read_regular(path, limit=_LIMIT)
    if content is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=content.decode("ascii", errors="replace"))
    except ssl.SSLError as error:
        message = f"{path} holds no certificates that OpenSSL can read: {error.reason}"
        raise FailedError(message, hint="compare it with the image's") from error
    return [_authority(der) for der in context.get_ca_certs(binary_form=True)]


def _authority(der: bytes) -> Authority:
    alone = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    alone.load_verify_locations(cadata=der)
    described = x509.described(alone)
    not_after = str(described.get("notAfter", _UNKNOWN))
    return Authority(_name(described.get("subject")), not_after, hashlib.sha256(der).hexdigest())


def _name(parts: object) -> str:
    """Return a name in the documented form of ssl's, a tuple of tuples of pairs, as text."""
    if not isinstance(parts, tuple):
        return _UNKNOWN
    return ", ".join(f"{key}={value}" for part in parts for key, value in part)
