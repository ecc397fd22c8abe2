"""The network daemon: reads IMDS and the kernel, makes every ENI as it should be, and publishes what it knows."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from agent import loop
from agent.doctor import report as doctor
from agent.errors import FailedError, TemporaryError
from agent.host import files, imds, kernel, status, systemd
from agent.host.dial import Address, answers
from agent.host.imds import Imds
from agent.host.netlink import Netlink, News
from agent.model import FileSpec
from agent.network import conflist, memory, plan, records, report, restore, settings, snapshot, verified, wanted
from agent.network.asking import Asker
from agent.network.difference import Stages, stages
from agent.network.offer import is_routable
from agent.network.outputs import Doors, Outputs
from agent.network.polling import LISTING
from agent.network.publication import Publication
from agent.network.repairs import Repairs, joined
from agent.network.settings import Settings
from agent.network.targets import Target, pruned, used
from agent.network.vpc_cni import READ_ONLY, VpcCni
from agent.rtnl import State

# netlink announces only some of the sysctls; they have to be right again within 10 s.
_LOOK = 5.0
# What no event told of is found at last.
_RESYNC = 60.0
# A driver that appears, is renamed and comes up makes several events: they are one reason for a pass.
_COALESCE = 0.015
# While somebody fights with us there is a pass so often at most.
_REST = 0.1
# Many ENIs at once, as at a boot, are configured in a few passes: these take at most a third of the time.
_GATHER = 0.06
_GATHER_SHARE = 2.0
# IMDS is asked for so long at a time, so that nothing else waits for long.
_ASK_FOR = 0.25
_PROBE_WITHIN = 0.2
_BACKOFF = loop.Backoff(first=0.1, cap=5.0)
# A key that hangs must not hold up the other ENIs, nor the repair of what somebody changes meanwhile.
_ANSWER_WITHIN = 1.0
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_SNAPSHOT_LIMIT = 1 << 22
_VPC_CNI = Address("127.0.0.1", 61679)


@dataclass(frozen=True, slots=True)
class Host:
    """What a pass reads and changes."""

    metadata: Imds
    kernel: Netlink
    state: Path
    boot_id: str
    root: Path


def run(imds_url: str | None, state: Path, *, once: bool, root: Path = Path("/")) -> None:
    """Keep the ENIs as they should be until SIGTERM; `once` makes one pass, and raises where IMDS lists none."""
    with imds.connect(imds_url) as metadata, Netlink() as links:
        host = Host(metadata, links, state, _BOOT_ID.read_text().strip(), root)
        serve = _once if once else _serve
        serve(host)


def desired_state(tree: Path, *, pod_subnet_mode: bool) -> str:
    """Return the desired state for a tree of IMDS that is in a file."""
    text = files.read_text(tree, limit=_SNAPSHOT_LIMIT)
    if text is None:
        raise FailedError(f"there is no file {tree}", hint="give one with a JSON object of paths and bodies")
    return plan.render(text, pod_subnet_mode=pod_subnet_mode)


def _doors(root: Path) -> Doors:
    def offer(file: FileSpec | None) -> bool:
        return files.write_file(file, root=root) if file else files.remove_file(conflist.PATH, root=root)

    def tell(found: report.Report) -> None:
        status.write("network", found.state, found.message, root=root, interfaces=found.interfaces)

    return Doors(offer, files.write_file, tell)


def _once(host: Host) -> None:
    room, now = _Room(host, in_haste=False), time.monotonic()
    while room.asker.schedule.due(now):
        # There is no later look at what may come late: what IMDS says now is taken for all of it.
        room.ask(now, patience=memory.CARD_SETTLES_ELSEWHERE)
    room.make_pass()
    if room.trouble is not None:
        raise TemporaryError(room.trouble, hint="see whether IMDS answers: node-agent doctor")


def _serve(host: Host) -> None:
    manager = systemd.Manager(lambda: doctor.glimpse(files.read_text(files.below(host.root, doctor.PATH))))
    with News() as news, loop.until_stopped() as stop:
        room = _Room(host)
        host.metadata.while_waiting(lambda: room.serve(news))
        room.make_pass()
        while not stop.requested:
            if stop.kicked:
                stop.kicked = False
                manager.reloading()
                room.asker.schedule = room.asker.schedule.kicked(time.monotonic())
            if not room.asker.schedule.held(time.monotonic()):
                room.ask(time.monotonic())
            room.look_around()
            if room.is_due():
                room.make_pass()
            manager.tell(room.outputs.report.message)
            stop.wait(min(room.idle(), manager.left()), news.fileno())
            if news.drain():
                stop.wait(room.coalesce())
                news.drain()
                room.wake()


class _Room:
    """What is kept from pass to pass, and the pass itself."""

    def __init__(self, host: Host, *, in_haste: bool = True) -> None:
        before = snapshot.parsed(files.read_text(host.state, limit=_SNAPSHOT_LIMIT))
        self.asker = Asker(lambda: host.metadata.lookup(within=_ANSWER_WITHIN), loop.jittered, in_haste=in_haste)
        self._host = host
        self._node = restore.node(before, host.boot_id)
        self.outputs = Outputs(Publication(before, host.boot_id, str(host.state.absolute())), _doors(host.root))
        self._repairs = Repairs()
        self._config = self._read_settings(restore.settings(before, host.boot_id))
        self._sysctls: Mapping[str, str] = {}
        self._peer = VpcCni(lambda: answers(_VPC_CNI, within=_PROBE_WITHIN))
        self._read_only = self._peer.is_here(time.monotonic())
        self._news = self._stirred = False
        self._gathered = self._rested = self._next_pass = self._next_look = 0.0
        self._settled: tuple[Sequence[Target], State] | None = None

    @property
    def trouble(self) -> str | None:
        """Return why IMDS could not be asked which ENIs there are."""
        return self._node.trouble

    def ask(self, now: float, *, patience: float = 0.0) -> None:
        """Ask IMDS for what is due, until there is news that does not wait for the rest, or for a while."""
        started = time.monotonic()
        # Who is new has a pass at once: what has a link is asked for anew, once is enough. Its owner the primary tells.
        is_new = self._ask_listing(now, patience)
        for mac in () if is_new else self.asker.schedule.due(now, self._node.primary_mac):
            has_news = mac in self._node.records and self._ask_eni(mac)
            enough = self._gathered if has_news else started + _ASK_FOR
            if time.monotonic() >= enough or self.asker.schedule.held(time.monotonic()):
                break
        self._ask_listing(time.monotonic(), patience)

    def _ask_listing(self, now: float, patience: float) -> bool:
        """Ask IMDS which ENIs there are, where it is time to, and return whether it says anything new."""
        if LISTING not in self.asker.schedule.due(now):
            return False
        reading, known = self.asker.read_listing(now), records.gist(self._node)
        self._node = self.asker.learn_listing(self._node, reading, now, seen_since=now - patience)
        has_news = records.gist(self._node) != known
        self._news = self._news or has_news
        return has_news

    def _ask_eni(self, mac: str) -> bool:
        """Ask IMDS for an ENI, and return whether it says anything new of it."""
        is_awaited = self.asker.schedule.turns[mac].since is not None
        reading = self.asker.read_eni(self._node, mac, time.monotonic())
        if mac not in self._node.records:  # it went meanwhile
            return False
        before = self._node.records[mac]
        self._node = self.asker.learn_eni(self._node, reading, time.monotonic())
        now = self._node.records[mac]
        # Time may have settled what is awaited.
        self._news = self._news or is_awaited or records.told(now) != records.told(before)
        return now.memory.eni != before.memory.eni

    def serve(self, news: News) -> None:
        """Put right what the kernel tells of while IMDS is waited for."""
        if news.drain():
            self.wake()
        if self._stirred and self._rest() <= 0.0:
            self.make_pass()

    def wake(self) -> None:
        """Take note that the kernel has news."""
        self._news = self._stirred = True

    def look_around(self) -> None:
        """Look now and then at what nobody announces, and have a pass made where it is not as the last one left it."""
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + _LOOK
        before = (self._config, self._read_only, self.outputs.troubles)
        self._config, self._read_only = self._read_settings(self._config), self._peer.is_here(now)
        self.outputs.again(read_only=self._read_only)
        there = {} if self._read_only else kernel.read_sysctls(self._sysctls)
        is_wrong = any(value != self._sysctls[key] for key, value in there.items())
        self._news = self._news or is_wrong or before != (self._config, self._read_only, self.outputs.troubles)

    def is_due(self) -> bool:
        """Whether a pass may find anything to do: something has news, or time has brought something about."""
        return self._news or time.monotonic() >= self._next_pass

    def make_pass(self) -> None:
        """Make everything as it should be by what is known; a second pass changes nothing."""
        now, self._news, self._stirred = time.monotonic(), False, False
        targets, state = self._observe(now)
        troubles = [text for text in (self._config.problem, READ_ONLY if self._read_only else None) if text]
        troubles += self._set_sysctls(targets, now)
        planned = () if self._read_only else self._plan(targets, state)
        lacking = verified.troubles(targets, state)
        if any(planned):
            busy = {step.mac for stage in planned for step in stage}
            # What was refused or fought over is so until it is known that it is not.
            wanting = joined(lacking, self._repairs.troubles)
            self._node = records.before_changes(self._node, targets, wanting, busy, now=now)
            self._publish(targets)
        wanting = joined(lacking, self._repairs.make(planned, self._host.kernel.apply, now))
        if any(planned):
            targets = records.with_links(targets, self._host.kernel.links())
            troubles += self._set_sysctls(targets, now)  # an MTU that had become too small for IPv6 makes them anew
        self._node = records.after_changes(self._node, targets, wanting, now, lacking=self._repairs.lacking)
        self._publish(targets)
        self._tell(targets, troubles)
        self._next_pass = now + self._pause(now)
        done = time.monotonic()
        self._rested = done + _REST
        self._gathered = done + max(_GATHER, _GATHER_SHARE * (done - now))

    def idle(self) -> float:
        """Return how long nothing needs to be done unless the kernel has news."""
        now = time.monotonic()
        return min(max(0.0, min(self._next_pass, self._next_look) - now), self.asker.schedule.left(now))

    def _pause(self, now: float) -> float:
        refused = [_BACKOFF.delay(self._repairs.failed - 1)] if self._repairs.failed else []
        # Who is fought with is looked at often: peace is noticed by that.
        fought = [_LOOK] if self._repairs.fights.fought else []
        return min([loop.jittered(_RESYNC), records.settles_in(self._node, now), *refused, *fought])

    def coalesce(self) -> float:
        """Return how long news is gathered: who fights with us is not answered blow by blow."""
        return max(_COALESCE, self._rest())

    def _rest(self) -> float:
        return self._rested - time.monotonic() if self._repairs.fights.fought else 0.0

    def _plan(self, targets: Sequence[Target], state: State) -> Stages:
        """Return what to do; most passes find what the one before left, and then there is nothing to think over."""
        if (targets, state) == self._settled:
            return ()
        planned = stages(targets, state)
        self._settled = None if any(planned) else (targets, state)
        return planned

    def _observe(self, now: float) -> tuple[tuple[Target, ...], State]:
        """Read what the kernel has, and say what each ENI should have of it.

        The main table, which may be long, is read only where a pod may still use a range that is withdrawn.
        """
        links = self._host.kernel.links()
        before, self._node = self._node, records.links_seen(self._node, links, now)
        self.asker.meet(before, self._node, links, now)
        targets = records.targets(self._node, links, now, pod_subnet_mode=self._config.pod_subnet_mode)
        own = {target.link.index for target in targets if target.link}
        withdrawn = any(target.withdrawn for target in targets)
        primary = next((each.link.index for each in targets if each.link and each.interface.primary is True), None)
        state = self._host.kernel.state(sorted(own), primary=primary, main=withdrawn)
        targets = pruned(targets, state)
        if withdrawn:
            targets = tuple(replace(each, lingering=used(each.withdrawn, state.main, own)) for each in targets)
        return targets, state

    def _read_settings(self, before: Settings) -> Settings:
        return settings.parse(files.read_text(files.below(self._host.root, settings.PATH)), before)

    def _set_sysctls(self, targets: Sequence[Target], now: float) -> list[str]:
        if self._read_only:
            return []
        values = dict(wanted.NODE_SYSCTLS)
        for target in targets:
            values |= wanted.sysctls(target.interface, target.link.name) if target.link else {}
        self._sysctls = values
        wrong = {key: values[key] for key, there in kernel.read_sysctls(values).items() if there != values[key]}
        return self._repairs.set_sysctls(wrong, kernel.apply_sysctls, now)

    def _publish(self, targets: Sequence[Target]) -> None:
        self.outputs.publish(self._node, targets, self._config, read_only=self._read_only)

    def _tell(self, targets: Sequence[Target], troubles: Sequence[str]) -> None:
        if targets and not is_routable(self._node, targets):
            troubles = [*troubles, report.NO_PREFIX]
        self.outputs.tell(report.build(self._node, targets, [*troubles, *self.outputs.troubles]))
