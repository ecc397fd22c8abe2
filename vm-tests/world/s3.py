"""The object store: a real S3 gateway under S3's regional host name, with one bucket."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import tools
from world.facts import REGION
from world.pki import Authority
from world.presign import Bucket, presign_post, presign_put
from world.processes import Process, spawn
from world.site import in_url, wait_listening

HOST = f"s3.{REGION}.amazonaws.com"
PORT = 443
BUCKET = "diagnostics"

# What stands in S3's server access log between the time in brackets and the error code.
ACCESS = re.compile(
    r"[^]]+\] (?P<source>\S+) (?P<requester>\S+) (?P<request_id>\S+) (?P<operation>\S+) (?P<key>.+)"
    r" (?P<uri>/\S*) (?P<status>\d{3}) (?P<error>\S+) "
)


@dataclass(frozen=True)
class Request:
    """One request that the object store answered, as its access log has it."""

    source: str
    operation: str
    key: str
    status: int
    error: str | None


class ObjectStore:
    """S3 with the bucket `diagnostics`; it can be stopped and started while the world runs."""

    def __init__(self, folder: Path, *, netns: str, address: str, authority: Authority) -> None:
        self.address = address
        self._folder = folder
        self._netns = netns
        self._data = folder / "s3"
        self._access_log = folder / "s3-access.log"
        self._access_log.touch()
        self._process: Process | None = None
        self._bucket = Bucket(HOST, BUCKET, REGION, "AKIAIOSFODNN7EXAMPLE", secrets.token_urlsafe(30))
        (self._data / BUCKET).mkdir(parents=True)
        self._certificate, self._key = authority.server(HOST, names=[HOST]).write(folder, "s3")

    def start(self) -> None:
        self._process = spawn(
            [
                tools.binary("versitygw"),
                f"--port={in_url(self.address)}:{PORT}",
                f"--cert={self._certificate}",
                f"--key={self._key}",
                f"--region={REGION}",
                f"--access-log={self._access_log}",
                "posix",
                self._data,
            ],
            log=self._folder / "s3.log",
            netns=self._netns,
            environment={
                "ROOT_ACCESS_KEY": self._bucket.access_key,
                "ROOT_SECRET_KEY": self._bucket.secret_key,
            },
        )
        wait_listening(self._process, self._netns, self.address, PORT)

    def stop(self) -> None:
        if self._process is not None:
            self._process.stop()

    def presign_put(self, key: str, *, expires: int = 3600, signed_at: datetime | None = None) -> str:
        """Return a URL that anybody may PUT one object to until it expires."""
        return presign_put(self._bucket, key, expires=expires, signed_at=signed_at)

    def presign_post(self, prefix: str, *, expires: int = 3600) -> dict[str, Any]:
        """Return a form with which anybody may POST objects below a prefix until it expires."""
        return presign_post(self._bucket, prefix, expires=expires)

    def keys(self, prefix: str) -> list[str]:
        """Return the keys below a prefix."""
        top = self._data / BUCKET
        return sorted(str(path.relative_to(top)) for path in (top / prefix).rglob("*") if path.is_file())

    def object(self, key: str) -> bytes | None:
        """Return the stored object, None while there is none."""
        path = self._data / BUCKET / key
        return path.read_bytes() if path.is_file() else None

    def size(self, key: str) -> int | None:
        path = self._data / BUCKET / key
        return path.stat().st_size if path.is_file() else None

    def requests(self) -> list[Request]:
        """Return every request so far, oldest first."""
        found = (ACCESS.match(line) for line in self._access_log.read_text().splitlines())
        return [_request(match) for match in found if match]


def _request(match: re.Match[str]) -> Request:
    error = match["error"]
    return Request(
        source=match["source"],
        operation=match["operation"],
        key=match["key"],
        status=int(match["status"]),
        error=None if error == "-" else error,
    )
