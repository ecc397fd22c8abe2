"""The network daemon: reads IMDS and the kernel, brings the ENIs up, and publishes what it knows of them."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent import log, loop
from agent.doctor.report import PATH as DOCTOR
from agent.doctor.report import glimpse
from agent.eni import EniTree
from agent.errors import FailedError, TemporaryError
from agent.host import files, imds, kernel, status, systemd
from agent.host.imds import Imds
from agent.host.netlink import LinkNews, Netlink
from agent.model import FileSpec
from agent.network import conflist, desired, difference, report, snapshot
from agent.network.desired import Interface
from agent.network.report import Report
from agent.rtnl import Failure, describe

_POLL = 10.0
# While something is missing IMDS is asked sooner, and less and less often.
_PENDING = loop.Backoff(first=0.5, cap=_POLL)
# An ENI may send 1024 packets a second to the link-local services, DNS among them; a request takes about four.
_REQUESTS_A_SECOND = 100.0
_WATCHDOG = 30.0
# A driver that appears, is renamed and comes up makes several events: they are one reason for a pass.
_COALESCE = 0.02
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_NODE_SYSCTLS = {"net.ipv4.ip_forward": "1"}
_SNAPSHOT_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True)
class Host:
    """What a pass reads and changes."""

    metadata: Imds
    kernel: Netlink
    state: Path
    boot_id: str
    root: Path


def run(imds_url: str | None, state: Path, *, once: bool, root: Path = Path("/")) -> None:
    """Keep the ENIs as they should be until SIGTERM; `once` makes one pass and raises where it was not enough."""
    with imds.connect(imds_url) as metadata, Netlink() as links:
        host = Host(metadata, links, state, _BOOT_ID.read_text().strip(), root)
        if once:
            found = _pass(host, metadata.read_enis())
            if found.state == "waiting":
                raise TemporaryError(found.message, hint="see whether IMDS answers: node-agent doctor")
        else:
            _serve(host)


def _serve(host: Host) -> None:
    watchdog = systemd.watchdog_seconds() or _WATCHDOG
    with LinkNews() as news, loop.until_stopped() as stop:
        schedule = _Schedule()
        tree = _ask(host, schedule)
        while not stop.requested:
            found = _pass(host, tree)
            systemd.notify("READY=1", "WATCHDOG=1", f"STATUS={found.message}{_doctor(host)}")
            schedule.plan(pending=found.pending)
            stop.wait(min(schedule.left(), watchdog), news.fileno())
            if news.drain():
                stop.wait(_COALESCE)
                news.drain()
                schedule.hurry()
            if schedule.left() == 0.0:
                tree = _ask(host, schedule)


def _doctor(host: Host) -> str:
    return glimpse(files.read_text(files.below(host.root, DOCTOR)))


def _ask(host: Host, schedule: "_Schedule") -> EniTree:
    before = host.metadata.counters.requests
    tree = host.metadata.read_enis()
    schedule.asked(host.metadata.counters.requests - before)
    return tree


class _Schedule:
    """When IMDS is asked again: the kernel tells of links, but nothing tells of metadata."""

    def __init__(self) -> None:
        self._earliest = 0.0
        self._due: float | None = None
        self._misses = 0

    def asked(self, requests: int) -> None:
        """Note that IMDS has just been asked, by so many requests: they are the limit of how soon it is again."""
        self._earliest = time.monotonic() + max(_PENDING.first, requests / _REQUESTS_A_SECOND)
        self._due = None

    def plan(self, *, pending: bool) -> None:
        """Choose the time, once after each answer: sooner where something was missing in it."""
        if self._due is None:
            delay = _PENDING.delay(self._misses) if pending else loop.jittered(_POLL)
            self._misses = self._misses + 1 if pending else 0
            self._due = max(self._earliest, time.monotonic() + delay)

    def hurry(self) -> None:
        """Ask as soon as may be, as a link has changed: it may be a new ENI's."""
        self._misses = 0
        self._due = self._earliest

    def left(self) -> float:
        return max(0.0, (self._due or 0.0) - time.monotonic())


def _pass(host: Host, tree: EniTree) -> Report:
    """Make everything as it should be by what is known; a second pass changes nothing."""
    interfaces = desired.interfaces(tree, host.kernel.links())
    changes = [change for each in interfaces for change in difference.changes(each)]
    failures = host.kernel.apply(changes)
    refused = {failure.change for failure in failures}
    for change in changes:
        if change not in refused:
            log.get("network").info("link changed", change=describe(change))
    if changes:
        interfaces = desired.interfaces(tree, host.kernel.links())
    found = report.build(tree, interfaces, failures, _set_sysctls(interfaces))
    _publish(host, interfaces, failures)
    _tell(host, found)
    return found


def _set_sysctls(interfaces: Sequence[Interface]) -> Sequence[str]:
    """Set the sysctls, and return why those that could not be set were not: a link may go at any moment."""
    refused = []
    for values in (_NODE_SYSCTLS, *map(desired.sysctls, interfaces)):
        try:
            for key in kernel.apply_sysctls(values):
                log.get("network").info("sysctl changed", key=key, value=values[key])
        except FailedError as error:
            refused.append(error.message)
    return refused


def _publish(host: Host, interfaces: Sequence[Interface], failures: Sequence[Failure]) -> None:
    config = conflist.render(interfaces)
    if config is not None and files.write_file(config, root=host.root):
        log.get("network").info("CNI configuration changed", path=config.path)
    current = snapshot.build(interfaces, failures, host.boot_id, _read_snapshot(host.state))
    if current is not None:
        files.write_file(FileSpec(str(host.state.absolute()), snapshot.as_json(current)))


def _read_snapshot(path: Path) -> snapshot.Snapshot | None:
    text = files.read_text(path, limit=_SNAPSHOT_LIMIT)
    try:
        body: Any = json.loads(text or "null")
    except ValueError:
        return None
    return body if isinstance(body, dict) and body.get("schemaVersion") == snapshot.SCHEMA_VERSION else None


def _tell(host: Host, found: Report) -> None:
    before = status.read("network", root=host.root) or {}
    if (before.get("state"), before.get("message")) != (found.state, found.message):
        logger = log.get("network")
        (logger.info if found.state == "ok" else logger.warning)(found.message, state=found.state)
    status.write("network", found.state, found.message, root=host.root, interfaces=found.interfaces)
