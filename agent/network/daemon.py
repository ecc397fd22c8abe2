"""The network daemon: reads IMDS and the kernel, makes every ENI as it should be, and publishes what it knows."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from agent import log, loop
from agent.errors import FailedError, TemporaryError
from agent.host import files, imds, kernel, status, systemd
from agent.host.dial import Address, answers
from agent.host.imds import Imds
from agent.host.netlink import Netlink, News
from agent.model import FileSpec, Unknown
from agent.network import conflist, memory, plan, records, report, restore, settings, snapshot, verified, wanted
from agent.network.asking import Asker
from agent.network.difference import Stages, stages
from agent.network.offer import is_routable, offer
from agent.network.polling import LISTING
from agent.network.repairs import Repairs
from agent.network.report import Report
from agent.network.settings import Settings
from agent.network.targets import Target, pruned, used
from agent.rtnl import State

_WATCHDOG = 30.0
# netlink announces only some of the sysctls; they have to be right again within 10 s.
_TICK = 5.0
# A driver that appears, is renamed and comes up makes several events: they are one reason for a pass.
_COALESCE = 0.015
_COALESCE_FIGHT = 0.5
# Many ENIs at once, as at a boot, are configured in a few passes.
_GATHER = 0.06
_PROBE_WITHIN = 0.2
_BACKOFF = loop.Backoff(first=0.1, cap=5.0)
# A key that hangs must not hold up the other ENIs, nor the repair of what somebody changes meanwhile.
_ANSWER_WITHIN = 1.0
# A long series of reads is broken off for a while: a stop is seen, and the service manager hears that we live.
_ASK_FOR = 2.0
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_SNAPSHOT_LIMIT = 1 << 22
_VPC_CNI = Address("127.0.0.1", 61679)
_READ_ONLY = f"read-only: the VPC CNI answers on {_VPC_CNI}, so nothing is changed here"


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
            _once(host)
        else:
            _serve(host)


def desired_state(tree: Path, *, pod_subnet_mode: bool) -> str:
    """Return the desired state for a tree of IMDS that is in a file."""
    text = files.read_text(tree, limit=_SNAPSHOT_LIMIT)
    if text is None:
        raise FailedError(f"there is no file {tree}", hint="give one with a JSON object of paths and bodies")
    return plan.render(text, pod_subnet_mode=pod_subnet_mode)


def _once(host: Host) -> None:
    room = _Room(host)
    # There is no later look at what may come late: what IMDS says now is taken for all of it.
    room.ask(time.monotonic(), patience=memory.CARD_SETTLES_ELSEWHERE)
    room.make_pass()
    if room.trouble is not None:
        raise TemporaryError(room.trouble, hint="see whether IMDS answers: node-agent doctor")


def _serve(host: Host) -> None:
    manager = _Manager(systemd.watchdog_seconds() or _WATCHDOG)
    with News() as news, loop.until_stopped() as stop:
        room = _Room(host)
        found = room.make_pass()
        while not stop.requested:
            if stop.kicked:
                stop.kicked = False
                manager.reloading()
                room.asker.schedule = room.asker.schedule.kicked(time.monotonic())
            room.ask(time.monotonic(), within=_ASK_FOR)
            if room.is_due():
                found = room.make_pass()
            manager.tell(found.message)
            stop.wait(min(room.idle(), manager.left()), news.fileno())
            if news.drain():
                stop.wait(room.coalesce())
                news.drain()
                room.wake()


class _Manager:
    """The service manager, told of what is new and that we live: it reads no faster than it must."""

    def __init__(self, watchdog: float) -> None:
        self._watchdog = watchdog
        self._told = ""
        self._due = 0.0

    def tell(self, message: str) -> None:
        """Say that the daemon is ready, and how it is, where it said something else or is due."""
        if message != self._told or self.left() == 0.0:
            systemd.notify("READY=1", "WATCHDOG=1", f"STATUS={message}")
            self._told, self._due = message, time.monotonic() + self._watchdog

    def reloading(self) -> None:
        """Say that the reload it may have asked for has begun; the next word ends it."""
        systemd.notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        self._due = 0.0

    def left(self) -> float:
        return max(0.0, self._due - time.monotonic())


class _Room:
    """What is kept from pass to pass, and the pass itself."""

    def __init__(self, host: Host) -> None:
        self.asker = Asker(lambda: host.metadata.lookup(within=_ANSWER_WITHIN), loop.jittered)
        self._host = host
        self._node = restore.node(snapshot.parsed(files.read_text(host.state, limit=_SNAPSHOT_LIMIT)), host.boot_id)
        self._repairs = Repairs()
        self._next_probe, self._read_only = 0.0, False
        self._passed = self._next_pass = 0.0
        self._news = False
        self._settled: tuple[Sequence[Target], State] | None = None

    @property
    def trouble(self) -> str | None:
        """Return why IMDS could not be asked which ENIs there are."""
        return self._node.trouble

    def ask(self, now: float, *, patience: float = 0.0, within: float = math.inf) -> None:
        """Ask IMDS for what is due; news of an ENI does not wait for long until the others have been asked for.

        Who could not be asked for within the time has its turn at the next call.
        """
        before, known = self._host.metadata.counters.requests, records.gist(self._node)
        if LISTING in self.asker.schedule.due(now):
            self._node = self.asker.ask_listing(self._node, now, seen_since=now - patience)
        for mac in self.asker.schedule.due(now):
            record = self._node.records.get(mac)
            if record is None or time.monotonic() - now >= within:
                continue
            is_awaited = self.asker.schedule.turns[mac].since is not None
            self._news = self._news or is_awaited
            self._node = self.asker.ask_eni(self._node, mac, time.monotonic())
            has_news = self._node.records[mac].memory.eni != record.memory.eni
            if has_news and time.monotonic() - self._passed >= _GATHER:
                self.make_pass()
        spent = self._host.metadata.counters.requests - before
        # From the beginning: a slow IMDS has stretched the requests already.
        self.asker.schedule = self.asker.schedule.spent(spent, now)
        self._news = self._news or records.gist(self._node) != known

    def wake(self) -> None:
        """Take note that the kernel has news."""
        self._news = True

    def is_due(self) -> bool:
        """Whether a pass may find anything to do: something has news, or time has brought something about."""
        return self._news or time.monotonic() >= self._next_pass

    def make_pass(self) -> Report:
        """Make everything as it should be by what is known; a second pass changes nothing."""
        now = self._passed = time.monotonic()
        self._news = False
        config = settings.parse(files.read_text(files.below(self._host.root, settings.PATH)))
        self._probe(now)
        targets, state = self._observe(config, now)
        troubles = [text for text in (config.problem, _READ_ONLY if self._read_only else None) if text]
        troubles += self._set_sysctls(targets, now)
        planned = () if self._read_only else self._plan(targets, state)
        lacking = verified.troubles(targets, state)
        if any(planned):
            busy = {step.mac for stage in planned for step in stage}
            self._node = records.before_changes(self._node, targets, lacking, busy, now=now)
            self._publish(targets, config)
        refused = self._repairs.make(planned, self._host.kernel.apply, now)
        wanting = {mac: [*lacking.get(mac, ()), *refused.get(mac, ())] for mac in {*lacking, *refused}}
        if any(planned):
            targets = records.with_links(targets, self._host.kernel.links())
        self._node = records.after_changes(self._node, targets, wanting, now)
        self._publish(targets, config)
        self._next_pass = now + self._pause(now)
        return self._tell(targets, troubles)

    def idle(self) -> float:
        """Return how long nothing needs to be done unless the kernel has news."""
        now = time.monotonic()
        return min(max(0.0, self._next_pass - now), self.asker.schedule.left(now))

    def _pause(self, now: float) -> float:
        refused = [_BACKOFF.delay(self._repairs.failed - 1)] if self._repairs.failed else []
        return min([_TICK, records.grace_left(self._node, now), *refused])

    def coalesce(self) -> float:
        """Return how long news is gathered: who fights with us is not answered blow by blow."""
        return _COALESCE_FIGHT if self._repairs.fights.fought else _COALESCE

    def _plan(self, targets: Sequence[Target], state: State) -> Stages:
        """Return what to do; most passes find what the one before left, and then there is nothing to think over."""
        if (targets, state) == self._settled:
            return ()
        planned = stages(targets, state)
        self._settled = None if any(planned) else (targets, state)
        return planned

    def _observe(self, config: Settings, now: float) -> tuple[tuple[Target, ...], State]:
        """Read what the kernel has, and say what each ENI should have of it.

        The main table, which may be long, is read only where a pod may still use a range that is withdrawn.
        """
        links = self._host.kernel.links()
        before, self._node = self._node, records.links_seen(self._node, links, now)
        self.asker.meet(before, self._node, links, now)
        targets = records.targets(self._node, links, now, pod_subnet_mode=config.pod_subnet_mode)
        own = {target.link.index for target in targets if target.link}
        withdrawn = any(target.withdrawn for target in targets)
        primary = next((each.link.index for each in targets if each.link and each.interface.primary is True), None)
        state = self._host.kernel.state(sorted(own), primary=primary, main=withdrawn)
        targets = pruned(targets, state)
        if withdrawn:
            targets = tuple(replace(each, lingering=used(each.withdrawn, state.main, own)) for each in targets)
        return targets, state

    def _probe(self, now: float) -> None:
        """See whether the VPC CNI has come or gone: two writers of the same objects would not agree for long."""
        if now >= self._next_probe:
            self._next_probe = now + _TICK
            self._read_only = answers(_VPC_CNI, within=_PROBE_WITHIN)

    def _set_sysctls(self, targets: Sequence[Target], now: float) -> list[str]:
        if self._read_only:
            return []
        values = dict(wanted.NODE_SYSCTLS)
        for target in targets:
            values |= wanted.sysctls(target.interface, target.link.name) if target.link else {}
        there = kernel.read_sysctls(values)
        wrong = {key: values[key] for key, value in there.items() if value != values[key]}
        return self._repairs.set_sysctls(wrong, kernel.apply_sysctls, now)

    def _publish(self, targets: Sequence[Target], config: Settings) -> None:
        if not self._read_only:
            self._offer(offer(self._node, targets, pod_subnet_mode=config.pod_subnet_mode))
        previous = snapshot.parsed(files.read_text(self._host.state, limit=_SNAPSHOT_LIMIT))
        mode = config.pod_subnet_mode
        current = snapshot.build(self._node, targets, self._host.boot_id, previous, pod_subnet_mode=mode)
        if current is not None:
            files.write_file(FileSpec(str(self._host.state.absolute()), snapshot.as_json(current)))

    def _offer(self, offered: FileSpec | Unknown | None) -> None:
        if isinstance(offered, Unknown):
            return
        root = self._host.root
        changed = files.write_file(offered, root=root) if offered else files.remove_file(conflist.PATH, root=root)
        if changed:
            log.get("network").info("CNI configuration changed", path=conflist.PATH, there=offered is not None)

    def _tell(self, targets: Sequence[Target], troubles: Sequence[str]) -> Report:
        if targets and not is_routable(self._node, targets):
            troubles = [*troubles, report.NO_PREFIX]
        found = report.build(self._node, targets, troubles)
        root = self._host.root
        before = status.read("network", root=root) or {}
        if (before.get("state"), before.get("message")) != (found.state, found.message):
            logger = log.get("network")
            (logger.info if found.state == "ok" else logger.warning)(found.message, state=found.state)
        status.write("network", found.state, found.message, root=root, interfaces=found.interfaces)
        return found
