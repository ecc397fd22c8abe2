"""Certificate authorities in a file, as OpenSSL reads them."""

import hashlib
import ssl
from dataclasses import dataclass
from pathlib import Path

from agent.errors import FailedError
from agent.host import files

_LIMIT = 8 << 20


@dataclass(frozen=True, slots=True)
class Authority:
    """One certificate authority: `not_after` as OpenSSL prints it, `sha256` of the certificate."""

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
    described, encoded = context.get_ca_certs(), context.get_ca_certs(binary_form=True)
    return [
        Authority(_name(certificate["subject"]), str(certificate["notAfter"]), hashlib.sha256(der).hexdigest())
        for certificate, der in zip(described, encoded, strict=True)
    ]


def _name(parts: object) -> str:
    assert isinstance(parts, tuple)  # noqa: S101 - of ssl's documented form: a tuple of tuples of pairs
    return ", ".join(f"{key}={value}" for part in parts for key, value in part)
