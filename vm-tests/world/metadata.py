"""What the metadata service says to one instance: the tree, its faults, its tokens and the requests it had."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

MAXIMUM_TTL = 21600

Body = str | bytes


@dataclass(frozen=True)
class Fault:
    """How the service misbehaves below a path."""

    delay: float = 0.0  # seconds before it answers
    status: int | None = None  # answer with this, whatever is there
    retry_after: int | None = None  # seconds, sent beside the status
    hang: bool = False  # take the request and never answer
    empty: bool = False  # 200 without a body
    visible_after: float = 0.0  # absent, from listings too, for so many seconds from now


@dataclass(frozen=True)
class Request:
    """One request, as it was answered; status 0 stands for no answer."""

    at: float
    source: str
    method: str
    path: str
    status: int


class Metadata:
    """One instance's metadata; every method may be called while it is being served."""

    def __init__(self, tree: Mapping[str, Body], *, hop_limit: int = 1) -> None:
        self.hop_limit = hop_limit
        self.clock_ahead = 0.0  # seconds by which the service's clock, and so its Date, is ahead of this machine's
        self._tree = dict(tree)
        self._faults: dict[str, tuple[Fault, float]] = {}
        self._tokens: dict[str, float] = {}
        self._requests: list[Request] = []
        self._guard = threading.Lock()

    def set(self, path: str, body: Body) -> None:
        """Put a body at a path below latest/."""
        with self._guard:
            self._tree[path] = body

    def update(self, tree: Mapping[str, Body]) -> None:
        with self._guard:
            self._tree.update(tree)

    def remove(self, path: str) -> None:
        """Remove a key, or all below a folder."""
        with self._guard:
            self._tree = {key: body for key, body in self._tree.items() if not _covers(path, key)}

    def tree(self) -> dict[str, Body]:
        """Return a copy of all that is there, faults aside."""
        with self._guard:
            return dict(self._tree)

    def fault(self, path: str, fault: Fault) -> None:
        """Misbehave at a path and below; "" is everything, the longest path that fits wins."""
        with self._guard:
            self._faults[path] = (fault, time.monotonic())

    def heal(self, path: str | None = None) -> None:
        """Take back one fault, or all."""
        with self._guard:
            if path is None:
                self._faults.clear()
            else:
                self._faults.pop(path, None)

    @property
    def requests(self) -> list[Request]:
        with self._guard:
            return list(self._requests)

    def record(self, request: Request) -> None:
        with self._guard:
            self._requests.append(request)

    def issue_token(self, ttl: int) -> str:
        token = secrets.token_urlsafe(40)
        with self._guard:
            self._tokens[token] = time.monotonic() + ttl
        return token

    def forget_tokens(self) -> None:
        """Make every token given out so far invalid, as a host replacement does."""
        with self._guard:
            self._tokens.clear()

    def accepts(self, token: str | None) -> bool:
        with self._guard:
            return token is not None and self._tokens.get(token, 0.0) > time.monotonic()

    def fault_at(self, path: str) -> Fault:
        with self._guard:
            return self._fault_at(path)[0]

    def read(self, path: str) -> bytes | None:
        """Return a key's body or a folder's listing; None where there is neither."""
        with self._guard:
            visible = {key: body for key, body in self._tree.items() if self._visible(key)}
        if path in visible:
            body = visible[path]
            return body.encode() if isinstance(body, str) else body
        folder = path.rstrip("/") + "/" if path else ""
        return _listing([key.removeprefix(folder) for key in visible if key.startswith(folder)])

    def _visible(self, key: str) -> bool:
        fault, since = self._fault_at(key)
        return time.monotonic() >= since + fault.visible_after

    def _fault_at(self, path: str) -> tuple[Fault, float]:
        fitting = [prefix for prefix in self._faults if _covers(prefix, path)]
        return self._faults[max(fitting, key=len)] if fitting else (Fault(), 0.0)


def _covers(prefix: str, path: str) -> bool:
    folder = prefix.rstrip("/")
    return not folder or path == folder or path.startswith(folder + "/")


def _listing(below: list[str]) -> bytes | None:
    """List what is directly below a folder: one name a line, a folder's with a slash."""
    if not below:
        return None
    entries = {first + slash for first, slash, _ in (key.partition("/") for key in below)}
    return "\n".join(sorted(entries)).encode()
