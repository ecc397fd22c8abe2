"""Pre-signed S3 URLs as an SDK makes them: path style, regional host, nothing signed but the host."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from botocore.auth import SIGV4_TIMESTAMP, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials


@dataclass(frozen=True)
class Bucket:
    """A bucket, and a key pair that may write to it."""

    host: str
    name: str
    region: str
    access_key: str
    secret_key: str


class _SignerAt(S3SigV4QueryAuth):  # type: ignore[misc] # botocore has no types
    """botocore's signer with a date of ours, so that an expired URL needs no waiting."""

    def __init__(self, bucket: Bucket, expires: int, signed_at: datetime) -> None:
        super().__init__(Credentials(bucket.access_key, bucket.secret_key), "s3", bucket.region, expires=expires)
        self._timestamp = signed_at.strftime(SIGV4_TIMESTAMP)

    def _modify_request_before_signing(self, request: AWSRequest) -> None:
        request.context["timestamp"] = self._timestamp
        super()._modify_request_before_signing(request)


def presign_put(bucket: Bucket, key: str, *, expires: int, signed_at: datetime | None = None) -> str:
    """Return a URL that takes one PUT for `expires` seconds from `signed_at`, by default from now."""
    request = AWSRequest(method="PUT", url=f"https://{bucket.host}/{bucket.name}/{quote(key)}")
    _SignerAt(bucket, expires, signed_at or datetime.now(UTC)).add_auth(request)
    return str(request.url)
