"""The bucket that bundles go to: its region, signed URLs, and fetching what arrived. The only user of boto3."""

import contextlib
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

from agent.errors import FailedError, SettingsError, TemporaryError
from agent.redaction import redact

# Bucket names of today, and those with capitals and underscores that old ones have.
_PLACE = re.compile(r"s3://(?P<bucket>[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9])(?:/(?P<prefix>[^\x00-\x1f\x7f]*))?")
_CHUNK = 1 << 20
# A bucket's global name may answer with a redirect, which a signed PUT cannot follow.
_REGIONAL = {"us_east_1_regional_endpoint": "regional"}


@dataclass(frozen=True, slots=True)
class Place:
    """A bucket and a prefix of keys."""

    bucket: str
    prefix: str

    def key(self, node: str, run: str) -> str:
        """Return where the bundle of a node goes in a run: no run overwrites another's."""
        return "/".join(part for part in (self.prefix, f"{node}-{run}.tar.gz") if part)

    def url(self, key: str) -> str:
        return f"s3://{self.bucket}/{key}"


def parse(text: str) -> Place:
    """Parse `s3://bucket/prefix`."""
    found = _PLACE.fullmatch(text)
    if not found:
        raise SettingsError(f"{text!r} is no S3 place", hint="write s3://bucket/prefix")
    return Place(found["bucket"], (found["prefix"] or "").strip("/"))


class Bucket:
    """A bucket under its regional name, with the credentials of the user's AWS profile; threads may share it."""

    def __init__(self, place: Place, *, profile: str | None, region: str | None) -> None:
        self._place = place
        # Credentials that expire are made anew by the first thread that needs them.
        self._lock = threading.Lock()
        session = _session(profile, region)
        with _said(f"s3://{place.bucket}"):
            found = region or _region(session, place.bucket)
            self._client = _client(session, found)

    def sign(self, key: str, seconds: int) -> str:
        """Return a URL that anybody may PUT one object to for so many seconds."""
        with self._lock, _said(self._place.url(key)):
            parameters = {"Bucket": self._place.bucket, "Key": key}
            return str(self._client.generate_presigned_url("put_object", Params=parameters, ExpiresIn=seconds))

    def fetch(self, key: str, target: IO[bytes], *, limit: int) -> None:
        """Copy an object of at most `limit` bytes."""
        what = self._place.url(key)
        with _said(what):
            body = self._client.get_object(Bucket=self._place.bucket, Key=key)["Body"]
        with contextlib.closing(body):
            for chunk in _chunks(body, what):
                if target.tell() + len(chunk) > limit:
                    raise FailedError(f"{what} is longer than the {limit} bytes it should have", hint="who wrote it?")
                target.write(chunk)


def _chunks(body: Any, what: str) -> Iterator[bytes]:
    pieces = body.iter_chunks(_CHUNK)
    while True:
        with _said(what):
            chunk = next(pieces, b"")
        if not chunk:
            return
        yield chunk


def _session(profile: str | None, region: str | None) -> Any:
    try:
        import boto3  # noqa: PLC0415 - an extra: everything but --s3 works without it
    except ImportError as error:
        hint = "pip install 'auto-node-agent[kubectl]', or use --node"
        raise SettingsError("--s3 needs boto3, which is not installed", hint=hint) from error
    with _said("the AWS configuration"):
        return boto3.Session(profile_name=profile, region_name=region)


def _client(session: Any, region: str | None) -> Any:
    """Return a client whose URLs carry the bucket's regional name; a private endpoint keeps the path style."""
    from botocore.config import Config  # noqa: PLC0415

    def made(**more: Any) -> Any:
        return session.client("s3", region_name=region, config=Config(signature_version="s3v4", **more))

    client = made(s3=_REGIONAL)
    if client.meta.endpoint_url != made(s3=_REGIONAL, ignore_configured_endpoint_urls=True).meta.endpoint_url:
        return client
    # Without the virtual style boto3 signs for the global name in most regions.
    return made(s3={**_REGIONAL, "addressing_style": "virtual"})


def _region(session: Any, bucket: str) -> str | None:
    """Return the bucket's region, which S3 tells also those who may not read it."""
    from botocore.exceptions import ClientError  # noqa: PLC0415

    try:
        answer = _client(session, session.region_name).head_bucket(Bucket=bucket)
    except ClientError as error:
        answer = error.response
        if answer["ResponseMetadata"]["HTTPStatusCode"] == 404:
            raise FailedError(f"there is no bucket {bucket}", hint="look at its name, and at --profile") from error
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    found = headers.get("x-amz-bucket-region") or session.region_name
    if not found:
        raise SettingsError(f"the region of bucket {bucket} is not known", hint="give --region")
    return str(found)


@contextlib.contextmanager
def _said(what: str) -> Iterator[None]:
    """Turn what boto3 raises into errors of ours; none of them shows a credential."""
    from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError  # noqa: PLC0415

    try:
        yield
    except ClientError as error:
        found = error.response.get("Error", {})
        words = redact(f"{what}: S3 says {found.get('Code', '')}: {found.get('Message', '')}")
        raise FailedError(words, hint="look at the policies of the bucket and of your AWS identity") from error
    except HTTPClientError as error:
        raise TemporaryError(redact(f"{what}: {error}"), hint="is S3 reachable?") from error
    except (BotoCoreError, ValueError) as error:
        hint = "look at AWS_PROFILE or --profile; try: aws sts get-caller-identity"
        raise FailedError(redact(f"{what}: {error}"), hint=hint) from error
