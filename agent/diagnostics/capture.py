"""A capture's life: what the object and the spool say together decides what is to be done next."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

from agent.diagnostics.api import NodeDiagnostic
from agent.errors import FailedError

KIND = "Log"
REQUEST = "request.json"
RESULT = "result.json"
BUNDLE = "bundle.tar.gz"
# How it ended, before that is said to the API server: what was uploaded is not uploaded again.
ENDING = "ending.json"
# A collection that ends without a result, such as one that brought the node down, is tried once more.
MOST_ATTEMPTS = 2
# The peer's limit for one collection; the collector's unit is ended somewhat later.
DEADLINE_SECONDS = 1200.0
# How many failed outputs a result names, and how much of a name.
_MOST_NAMES = 20
_LONGEST_NAME = 1000

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def is_capture_id(text: str) -> bool:
    """Return whether the text is a capture's ID, and so may name a folder of the spool."""
    return _ID.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Capture:
    """One run for one generation of an object; it stands in the spool, so that it outlives the daemon."""

    capture_id: str
    uid: str
    generation: int
    name: str
    categories: tuple[str, ...]
    started_at: str
    attempt: int = 1
    deadline_seconds: float = DEADLINE_SECONDS

    def dump(self) -> bytes:
        return json.dumps(asdict(self), sort_keys=True).encode()


@dataclass(frozen=True, slots=True)
class Made:
    """The bundle that a collection made; `error` says why there is none.

    `failed` names the first outputs that are not whole, and `more` counts the others.
    """

    size: int
    sha256: str
    outputs: int
    failed: tuple[str, ...]
    error: str = ""
    more: int = 0

    def dump(self) -> bytes:
        return json.dumps(asdict(self), sort_keys=True).encode()


@dataclass(frozen=True, slots=True)
class Idle:
    """Nothing is asked for that has not been answered."""


@dataclass(frozen=True, slots=True)
class Begin:
    """Collect from the beginning."""

    capture: Capture


@dataclass(frozen=True, slots=True)
class Resume:
    """Go on with what is in the spool."""

    capture: Capture


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Say that the collection ends each time without a result."""

    capture: Capture


Step: TypeAlias = Idle | Begin | Resume | GiveUp


def decide(diagnostic: NodeDiagnostic | None, spooled: Capture | None, *, new_id: str, now: str) -> Step:
    """Return the next step for the log capture that an object asks for."""
    if diagnostic is None or diagnostic.log is None:
        return Idle()
    status = diagnostic.status(KIND)
    current = status if status is not None and status.observed_generation == diagnostic.generation else None
    if current is not None and not current.running:
        return Idle()
    if spooled is not None and belongs(spooled, diagnostic):
        return Resume(spooled)
    orphan = current is not None and is_capture_id(current.capture_id)
    capture = Capture(
        capture_id=current.capture_id if current is not None and orphan else new_id,
        uid=diagnostic.uid,
        generation=diagnostic.generation,
        name=diagnostic.name,
        categories=diagnostic.log.categories,
        started_at=(current.started_at if current is not None else "") or now,
        # What is running by its status and is not in the spool was lost with it: this is its second attempt.
        attempt=2 if orphan else 1,
    )
    return Begin(capture)


def again(capture: Capture) -> Begin | GiveUp:
    """Return what to do with a capture whose collection ended without a result."""
    if capture.attempt >= MOST_ATTEMPTS:
        return GiveUp(capture)
    return Begin(Capture(**{**asdict(capture), "attempt": capture.attempt + 1}))


def belongs(capture: Capture, diagnostic: NodeDiagnostic | None) -> bool:
    """Return whether a capture answers what the object asks for now."""
    return diagnostic is not None and (capture.uid, capture.generation) == (diagnostic.uid, diagnostic.generation)


def parse(text: bytes) -> Capture:
    """Parse a request of the spool."""
    body = _object(text)
    try:
        capture = Capture(**{**body, "categories": tuple(body["categories"])})
    except (TypeError, KeyError) as error:
        raise FailedError(f"the spool's {REQUEST} is not one of ours", hint="remove its folder") from error
    if not is_capture_id(capture.capture_id):
        raise FailedError(f"the spool's {REQUEST} has no capture ID", hint="remove its folder")
    return capture


def made(size: int, sha256: str, outputs: int, failed: Sequence[str]) -> Made:
    """Return the result for a bundle, small enough for the spool: the manifest names every output that failed."""
    names = tuple(name[:_LONGEST_NAME] for name in failed[:_MOST_NAMES])
    return Made(size, sha256, outputs, names, more=len(failed) - len(names))


def parse_made(text: bytes) -> Made:
    """Parse a result of the spool."""
    body = _object(text)
    try:
        return Made(**{**body, "failed": tuple(body["failed"])})
    except (TypeError, KeyError) as error:
        raise FailedError(f"the spool's {RESULT} is not one of ours", hint="remove its folder") from error


def _object(text: bytes) -> Mapping[str, Any]:
    try:
        body = json.loads(text)
    except ValueError as error:
        raise FailedError("a file of the spool is not JSON", hint="remove its folder") from error
    if not isinstance(body, dict):
        raise FailedError("a file of the spool is no object", hint="remove its folder")
    return body
