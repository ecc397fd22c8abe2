"""What others read of the node's network: written where it changes; what cannot be written is told, and tried again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agent import log
from agent.errors import FailedError
from agent.model import FileSpec, Unknown
from agent.network import conflist, report
from agent.network.publication import Publication, Published
from agent.network.records import Node
from agent.network.report import Report
from agent.network.settings import Settings
from agent.network.targets import Target


@dataclass(frozen=True, slots=True)
class Doors:
    """How the CNI configuration (None: there is to be none), the snapshot and the status are written."""

    offer: Callable[[FileSpec | None], bool]
    publish: Callable[[FileSpec], bool]
    tell: Callable[[Report], None]


class Outputs:
    """The files as they should be, and why those that are not are not: no ENI waits for them."""

    def __init__(self, publication: Publication, doors: Doors) -> None:
        self.report = report.NOTHING_YET
        self._publication = publication
        self._doors = doors
        self._failed: dict[str, str] = {}

    @property
    def troubles(self) -> tuple[str, ...]:
        """Return what could not be written when it was tried last."""
        return tuple(self._failed.values())

    def publish(self, node: Node, targets: Sequence[Target], config: Settings, *, read_only: bool) -> None:
        """Write what has changed; the CNI configuration only where this node is ours."""
        self._write(self._publication.of(node, targets, pod_subnet_mode=config.pod_subnet_mode), read_only=read_only)

    def again(self, *, read_only: bool) -> None:
        """Write what somebody has changed meanwhile, or what could not be written."""
        self._write(self._publication.published, read_only=read_only)
        if "tell" in self._failed:
            self._try("tell", lambda: self._doors.tell(self.report))

    def tell(self, found: Report) -> None:
        """Write the status, and log what it says newly."""
        if (found.state, found.message) != (self.report.state, self.report.message):
            logger = log.get("network")
            (logger.info if found.state == "ok" else logger.warning)(found.message, state=found.state)
        self.report = found
        self._try("tell", lambda: self._doors.tell(found))

    def _write(self, found: Published, *, read_only: bool) -> None:
        offered, enis = found.offered, found.enis
        if not read_only and not isinstance(offered, Unknown):
            self._try("offer", lambda: self._offer(offered))
        if enis is not None:
            self._try("publish", lambda: self._doors.publish(enis))

    def _offer(self, offered: FileSpec | None) -> None:
        if self._doors.offer(offered):
            log.get("network").info("CNI configuration changed", path=conflist.PATH, there=offered is not None)

    def _try(self, what: str, write: Callable[[], object]) -> None:
        try:
            write()
        except FailedError as error:
            self._failed[what] = error.message
        else:
            self._failed.pop(what, None)
