"""What the service works with: the outside world, as far as it needs it. `daemon` has the real ones, from the host."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from agent.diagnostics.destination import Destination, Verdict
from agent.errors import AgentError


class Observer(Protocol):
    """This node's object, kept current."""

    current: dict[str, Any] | None
    synced: bool

    @property
    def trouble(self) -> AgentError | None: ...

    def wait(self, seconds: float, tick: Callable[[], None]) -> None: ...

    def look(self) -> bool: ...


class Api(Protocol):
    """The writes to the API server."""

    def patch(self, path: str, body: dict[str, Any]) -> dict[str, Any]: ...

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]: ...


class Spool(Protocol):
    """Captures on disk, which outlive the daemon."""

    def captures(self) -> list[str]: ...

    def read(self, capture: str, name: str) -> bytes | None: ...

    def write(self, capture: str, name: str, content: bytes) -> None: ...

    def remove(self, capture: str) -> None: ...


class Collector(Protocol):
    """What runs a collection outside this process."""

    def start(self, capture_id: str) -> None: ...

    def stop(self, capture_id: str) -> None: ...

    def trouble(self, capture_id: str) -> str | None:
        """Return None while the collection is under way, else how it ended."""
        ...


class Shelf(Protocol):
    """Bundles that stay on the node for a while, for the kubelet's log endpoint."""

    def keep(self, capture: str, node: str) -> str:
        """Put a capture's bundle there, and return its path."""
        ...

    def sweep(self) -> None:
        """Remove what has stayed long enough."""
        ...


@dataclass(frozen=True, slots=True)
class Means:
    """What the service works with."""

    observer: Observer
    api: Api
    spool: Spool
    collector: Collector
    # Uploads the bundle of a capture once; the callable runs during its waits.
    put: Callable[[Destination, str, Callable[[], None]], Verdict]
    shelf: Shelf
    publish: Callable[[str, str], None]
    new_id: Callable[[], str]
