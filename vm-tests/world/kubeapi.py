"""The few requests that the cluster's cloud side makes of the API server."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import requests

CONNECT_TIMEOUT = 5.0
# The server ends a watch after this long; what was left undone is then looked at again.
WATCH_SECONDS = 20

Object = dict[str, Any]


class Api:
    """The API server, as one client certificate sees it; `host` is as URLs have it."""

    def __init__(self, host: str, *, authority: Path, certificate: Path, key: Path) -> None:
        self._base = f"https://{host}"
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = str(authority)
        self._session.cert = (str(certificate), str(key))

    def patch(self, path: str, change: Mapping[str, Any]) -> Object:
        """Apply a JSON merge patch and return the object as it is then."""
        return self._send("PATCH", path, change, "application/merge-patch+json")

    def replace(self, path: str, value: Mapping[str, Any]) -> None:
        self._send("PUT", path, value, "application/json")

    def follow(self, path: str) -> Iterator[Object]:
        """Yield every object there is, then each as it changes, until the server ends the watch."""
        listing = self._get(path, {}).json()
        yield from listing["items"]
        version = listing["metadata"]["resourceVersion"]
        watch = {"watch": "true", "resourceVersion": version, "timeoutSeconds": str(WATCH_SECONDS)}
        with self._get(path, watch) as response:
            for line in response.iter_lines(chunk_size=None):
                event = json.loads(line)
                if event["type"] in {"ADDED", "MODIFIED"}:
                    yield event["object"]

    def _get(self, path: str, parameters: Mapping[str, str]) -> requests.Response:
        timeout = (CONNECT_TIMEOUT, WATCH_SECONDS + CONNECT_TIMEOUT)
        response = self._session.get(self._base + path, params=parameters, stream=True, timeout=timeout)
        response.raise_for_status()
        return response

    def _send(self, method: str, path: str, value: Mapping[str, Any], content_type: str) -> Object:
        response = self._session.request(
            method,
            self._base + path,
            data=json.dumps(value),
            headers={"Content-Type": content_type},
            timeout=CONNECT_TIMEOUT,
        )
        response.raise_for_status()
        changed: Object = response.json()
        return changed
