"""One node's bundle, from the request to the deletion of what was made for it; threads run it for many nodes."""

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Protocol, TypeAlias

from agent.errors import AgentError, FailedError
from agent.loop import retry
from agent.redaction import redact
from kubectl_node_diagnostic import bundle, summary
from kubectl_node_diagnostic.cluster import Cluster, Stopped
from kubectl_node_diagnostic.model import Phase, Result
from kubectl_node_diagnostic.objects import Capture, Diagnostic
from kubectl_node_diagnostic.summary import Summary, printable

# One PUT to S3 takes at most 5 GB, and an agent that does not say the size of its bundle has this limit as well.
_MOST_BYTES = 5 * 10**9
_FETCH_SECONDS = 120.0
_CHUNK = 1 << 20

Say: TypeAlias = Callable[[str, Phase], None]


class Store(Protocol):
    """Where bundles go, and come from."""

    def offer(self, node: str) -> tuple[str, str]:
        """Return the destination for the object, which may be a secret, and the name of the place for people."""
        ...

    def fetch(self, node: str, target: IO[bytes], *, limit: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Order:
    """What is wanted of every node; `seconds` is how long one node may take, `fetch` whether its bundle comes here."""

    run: str
    categories: Sequence[str]
    seconds: float
    wait: bool
    fetch: bool
    output: Path | None


class Collector:
    """Brings bundles; threads may share it. `left` are the objects of ours that are not deleted yet."""

    def __init__(self, cluster: Cluster, store: Store, order: Order, say: Say) -> None:
        self.left: set[str] = set()
        self._cluster = cluster
        self._store = store
        self._order = order
        self._say = say

    def bring(self, node: str) -> Result:
        """Do all that is to be done for a node; its failure is its own."""
        try:
            return self._bring(node)
        except AgentError as error:
            return Result(node).failed(printable(redact(error.message)), error.hint)
        except Stopped:
            return Result(node).failed("interrupted", "")

    def _bring(self, node: str) -> Result:
        self._cluster.check_stop()
        # Signed now, not when the run began: a node late in a long queue gets a fresh URL.
        destination, place = self._store.offer(node)
        order = self._order
        made = self._cluster.create(
            node, destination=destination, bundle=place, categories=order.categories, run=order.run
        )
        self._say(node, Phase.REQUESTED)
        if not order.wait:
            return Result(node, place=place)
        with self._deleted_after(made):
            return self._finish(made, place)

    def _finish(self, made: Diagnostic, place: str) -> Result:
        node = made.name
        capture = self._cluster.wait(made, seconds=self._order.seconds, started=lambda: self._say(node, Phase.RUNNING))
        message = printable(redact(capture.message), 1024)
        result = Result(node, capture.reason, message, place, capture.size, capture.sha256)
        if capture.failed:
            return result.failed(message, "cure what the message names, and collect again")
        if not self._order.fetch:
            return result
        self._say(node, Phase.FETCHING)
        try:
            return self._fetched(result, capture)
        except AgentError as error:
            return result.failed(printable(redact(error.message)), error.hint)

    def _fetched(self, result: Result, capture: Capture) -> Result:
        with _writing(self._order.output) as path, open(path, "x+b", opener=_private) as file:
            retry(lambda: self._fetch(result.node, file, capture), within=_FETCH_SECONDS, wait=self._cluster.pause)
            result = replace(result, size=file.seek(0, os.SEEK_END))
            if self._order.output is not None:
                kept = self._order.output / f"{result.node}-{self._order.run}.tar.gz"
                path.replace(kept)
                result = replace(result, place=str(kept))
            try:
                return replace(result, summary=read(file))
            except FailedError as error:
                return result.failed(error.message, error.hint)

    def _fetch(self, node: str, file: IO[bytes], capture: Capture) -> None:
        file.seek(0)
        file.truncate()
        limit = _MOST_BYTES if capture.size is None else min(capture.size, _MOST_BYTES)
        self._store.fetch(node, file, limit=limit)
        file.seek(0)
        found = _sha256(file)
        if capture.sha256 and found != capture.sha256:
            hint = "somebody may have changed it on its way or in the bucket: collect again"
            raise FailedError(f"the bundle of {node} is not the one that the node sent: sha256={found}", hint=hint)

    @contextlib.contextmanager
    def _deleted_after(self, made: Diagnostic) -> Iterator[None]:
        """Delete the object however the work with it ends; what is left is said, and hides no other trouble."""
        self.left.add(made.name)
        try:
            yield
        finally:
            with contextlib.suppress(AgentError):
                self._cluster.delete(made)
                self.left.discard(made.name)


def read(file: IO[bytes]) -> Summary:
    """Summarise the bundle in a file, from its beginning."""
    file.seek(0)
    return summary.read(bundle.entries(file))


@contextlib.contextmanager
def _writing(output: Path | None) -> Iterator[Path]:
    """Give the path of a file that vanishes unless it is moved away, on the file system of the folder."""
    try:
        with tempfile.TemporaryDirectory(prefix=".node-diagnostic-", dir=output) as folder:
            yield Path(folder, "bundle.tar.gz")
    except OSError as error:
        place = output or tempfile.gettempdir()
        hint = "is there space left? give another folder with --output"
        raise FailedError(f"cannot write to {place}: {os.strerror(error.errno or 0)}", hint=hint) from error


def _sha256(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


def _private(path: str, flags: int) -> int:
    """Open for the owner only: a bundle is a node's logs."""
    return os.open(path, flags | os.O_CLOEXEC, 0o600)
