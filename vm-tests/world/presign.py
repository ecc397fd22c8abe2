"""Pre-signed S3 URLs and forms as an SDK makes them: path style, regional host, nothing signed but the host."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from botocore.auth import SIGV4_TIMESTAMP, S3SigV4PostAuth, S3SigV4QueryAuth
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


def presign_post(bucket: Bucket, prefix: str, *, expires: int) -> dict[str, Any]:
    """Return URL and fields of a form that anybody may POST objects below a prefix with."""
    request = AWSRequest(method="POST", url=f"https://{bucket.host}/{bucket.name}")
    ends = datetime.now(UTC) + timedelta(seconds=expires)
    request.context["s3-presign-post-fields"] = {"key": prefix + "${filename}"}
    request.context["s3-presign-post-policy"] = {
        "expiration": ends.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "conditions": [{"bucket": bucket.name}, ["starts-with", "$key", prefix]],
    }
    S3SigV4PostAuth(Credentials(bucket.access_key, bucket.secret_key), "s3", bucket.region).add_auth(request)
    return {"url": request.url, "fields": request.context["s3-presign-post-fields"]}
