"""Verify a request that was signed in its query by Signature Version 4, as AWS's services do."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, quote

from world.facts import REGION
from world.roles import Credentials

ALGORITHM = "AWS4-HMAC-SHA256"
EMPTY_BODY = hashlib.sha256(b"").hexdigest()
LIFETIME = timedelta(minutes=15)  # STS does not look at X-Amz-Expires
STAMP = "%Y%m%dT%H%M%SZ"
SKEW = timedelta(minutes=5)


class RefusedError(Exception):
    """The request is not to be believed; `code` is AWS's name for the reason."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class SignedRequest:
    """A request without a body, header names in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]


def verify(
    request: SignedRequest, service: str, find: Callable[[str], Credentials | None], now: datetime
) -> Credentials:
    """Return whose request to a service of the region it is."""
    fields = dict(parse_qsl(request.query, keep_blank_values=True))
    if fields.get("X-Amz-Algorithm") != ALGORITHM:
        raise RefusedError("MissingAuthenticationToken", "Request is missing Authentication Token")
    access_key_id, _, scope = fields.get("X-Amz-Credential", "").partition("/")
    credentials = find(access_key_id)
    if credentials is None or not hmac.compare_digest(
        credentials.session_token, fields.get("X-Amz-Security-Token", "")
    ):
        raise RefusedError("InvalidClientTokenId", "The security token included in the request is invalid.")
    _check_times(fields, credentials, now)
    if scope != f"{fields['X-Amz-Date'][:8]}/{REGION}/{service}/aws4_request":
        raise RefusedError("SignatureDoesNotMatch", "Credential should be scoped to a valid date, region and service.")
    expected = _signature(request, fields, scope, credentials.secret_access_key)
    if not hmac.compare_digest(expected, fields.get("X-Amz-Signature", "")):
        raise RefusedError("SignatureDoesNotMatch", "The request signature we calculated does not match.")
    return credentials


def signed_headers(query: str) -> set[str]:
    fields = dict(parse_qsl(query))
    return set(fields.get("X-Amz-SignedHeaders", "").split(";"))


def _check_times(fields: Mapping[str, str], credentials: Credentials, now: datetime) -> None:
    try:
        signed = datetime.strptime(fields.get("X-Amz-Date", ""), STAMP).replace(tzinfo=UTC)
    except ValueError as error:
        raise RefusedError("IncompleteSignature", "X-Amz-Date must be in ISO 8601 basic format.") from error
    if now > credentials.expires:
        raise RefusedError("ExpiredToken", "The security token included in the request is expired")
    if not signed - SKEW <= now <= signed + LIFETIME:
        raise RefusedError("SignatureDoesNotMatch", f"Signature expired or not yet current: {fields['X-Amz-Date']}")


def _signature(request: SignedRequest, fields: Mapping[str, str], scope: str, secret: str) -> str:
    canonical = hashlib.sha256(_canonical(request, fields).encode()).hexdigest()
    to_sign = "\n".join([ALGORITHM, fields.get("X-Amz-Date", ""), scope, canonical])
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, to_sign.encode(), "sha256").hex()


def _canonical(request: SignedRequest, fields: Mapping[str, str]) -> str:
    pairs = sorted((_escape(name), _escape(text)) for name, text in fields.items() if name != "X-Amz-Signature")
    names = fields.get("X-Amz-SignedHeaders", "")
    headers = [f"{name}:{' '.join(request.headers.get(name, '').split())}\n" for name in names.split(";")]
    query = "&".join(f"{name}={text}" for name, text in pairs)
    return "\n".join([request.method, request.path, query, "".join(headers), names, EMPTY_BODY])


def _escape(text: str) -> str:
    return quote(text, safe="-_.~")
