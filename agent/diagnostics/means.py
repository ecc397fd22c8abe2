"""What the service works with: the outside world, as far as it needs it. `daemon` has the real ones, from the host."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from agent.diagnostics.answer import Verdict
from agent.diagnostics.destination import Destination
from agent.diagnostics.form import Form
from agent.errors import AgentError
from agent.packet_capture import PacketRequest


class Observer(Protocol):
    """This node's object, kept current."""

    current: dict[str, Any] | None
    synced: bool

    @property
    def trouble(self) -> AgentError | None: ...

    def wait(self, seconds: float, tick: Callable[[], None]) -> None: ...

    def look(self) -> bool: ...

    def ask_anew(self) -> None: ...


class Api(Protocol):
    """The writes to the API server."""

    def patch(self, path: str, body: dict[str, Any]) -> dict[str, Any]: ...

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]: ...


class Spool(Protocol):
    """Captures on disk, which outlive the daemon."""

    def captures(self) -> list[str]: ...

    def names(self, capture: str) -> list[str]: ...

    def read(self, capture: str, name: str) -> bytes | None: ...

    def write(self, capture: str, name: str, content: bytes) -> None: ...

    def remove(self, capture: str) -> None: ...


class Unit(Protocol):
    """What runs a capture outside this process, in a sandbox of its own; it outlives this one."""

    def start(self, capture_id: str) -> None: ...

    def stop(self, capture_id: str) -> None: ...

    def trouble(self, capture_id: str) -> str | None:
        """Return None while the capture is under way, else how it ended."""
        ...


class Sender(Protocol):
    """Uploads the chunks of one packet capture beside everything else that goes on."""

    @property
    def running(self) -> bool: ...

    def start(self, request: PacketRequest, form: Form) -> None: ...

    def stop(self) -> None: ...


class Shelf(Protocol):
    """Bundles that stay on the node for a while, for the kubelet's log endpoint."""

    def keep(self, capture: str, node: str, tick: Callable[[], None]) -> str:
        """Put a capture's bundle there, and return its path."""
        ...

    def sweep(self) -> None:
        """Remove what has stayed long enough."""
        ...


@dataclass(frozen=True, slots=True)
class Packets:
    """What packet captures work with; `unit.stop` does not wait for the end."""

    spool: Spool
    unit: Unit
    sender: Sender


@dataclass(frozen=True, slots=True)
class Means:
    """What the service works with."""

    observer: Observer
    api: Api
    spool: Spool
    collector: Unit
    # Uploads the bundle of a capture once; the callable runs during its waits.
    put: Callable[[Destination, str, Callable[[], None]], Verdict]
    shelf: Shelf
    packets: Packets
    publish: Callable[[str, str], None]
    new_id: Callable[[], str]
    # Addresses that a setting lets uploads go to, also by plain http.
    allowed: frozenset[str] = frozenset()
