"""Asking IMDS: what is due is read and learnt, and its next turn chosen."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from agent import eni
from agent.eni import Eni
from agent.model import Unknown
from agent.network import records
from agent.network.memory import learn
from agent.network.polling import DETAILS, FULL, LISTING, NEW_FOR, STEADY, Schedule, Turn, steady, waiting, wavering
from agent.network.records import Node
from agent.rtnl import Link


@dataclass(frozen=True, slots=True)
class Listing:
    """What IMDS says of which ENIs there are; `turn` is whose turn this was."""

    primary: str | Unknown
    macs: tuple[str, ...] | Unknown
    turn: Turn


@dataclass(frozen=True, slots=True)
class Reading:
    """What IMDS says of one ENI."""

    eni: Eni
    turn: Turn


class Asker:
    """Who is asked for when; `look` begins a series of reads that belong together, `jitter` spreads a period.

    `in_haste`: of an ENI that is not complete only what its configuration takes is read, the rest afterwards.
    `full` and `details` say when all of an ENI, and when its details, were read last.
    Reading and learning are apart: while an answer is waited for passes are made, and they know of what has changed.
    """

    def __init__(
        self, look: Callable[[], eni.Lookup], jitter: Callable[[float], float], *, in_haste: bool = True
    ) -> None:
        self.schedule = Schedule()
        self._look = look
        self._jitter = jitter
        self._in_haste = in_haste
        self.full: dict[str, float] = {}
        self.details: dict[str, float] = {}
        self._strangers: frozenset[int] = frozenset()

    def read_listing(self, now: float) -> Listing:
        """Read which ENIs there are."""
        look, turn = self._counted(now), self.schedule.turns[LISTING]
        return Listing(eni.read_primary(look), eni.read_macs(look), turn)

    def learn_listing(self, node: Node, reading: Listing, now: float, *, seen_since: float) -> Node:
        """Return the node with what was read; ENIs that are new count as seen since the time given."""
        primary, macs = reading.primary, reading.macs
        trouble = next((each.reason for each in (primary, macs) if isinstance(each, Unknown)), None)
        if isinstance(primary, Unknown):
            primary = node.primary_mac if isinstance(node.primary_mac, str) else primary
        node = replace(node, primary_mac=primary, trouble=trouble)
        if not isinstance(macs, Unknown):
            node = records.listing(node, macs, seen_since)
            for mac in macs:
                if mac not in self.schedule.turns:
                    self.schedule = self.schedule.put(mac, Turn(now))
        is_waited_for = trouble is not None or bool(self._strangers)
        known = wavering(now) if records.is_doubted(node) else self._steady(now)
        self._take(LISTING, reading.turn, waiting(reading.turn, now) if is_waited_for else known)
        return node

    def read_eni(self, node: Node, mac: str, now: float) -> Reading:
        """Read one ENI: its addresses and what is not known yet, now and then its details, and seldom all of it."""
        turn, record = self.schedule.turns[mac], node.records[mac]
        details = record.complete is not None or not self._in_haste
        before: eni.Eni | None = record.memory.seen
        is_new = now - record.memory.first < NEW_FOR
        if self._is_due(self.full, mac, DETAILS if is_new else FULL, now):
            before = None
        elif details and self._is_due(self.details, mac, DETAILS, now):
            before = eni.without_details(record.memory.seen)
        return Reading(eni.read_eni(mac, self._counted(now), before, details=details), turn)

    def learn_eni(self, node: Node, reading: Reading, now: float) -> Node:
        """Return the node with what was read."""
        mac = reading.eni.mac
        record = node.records[mac]
        memory = learn(record.memory, reading.eni, now)
        node = node.with_record(mac, replace(record, memory=memory))
        # What IMDS still says of one whose link has gone is stale.
        if record.link_gone is None and records.is_pending(node, mac, now):
            turn = waiting(reading.turn, now)
        else:
            turn = wavering(now) if memory.wavering or not memory.firm else self._steady(now)
        self._take(mac, reading.turn, turn)
        if memory.trouble is not None and record.memory.trouble is None:
            # It may be that IMDS has just forgotten it: only the listing tells.
            self.schedule = self.schedule.hurried(LISTING, now)
        return node

    def meet(self, before: Node, node: Node, links: Sequence[Link], now: float) -> None:
        """Take note of which links there are; one that is new has news in IMDS, or will have."""
        for mac, record in node.records.items():
            if record.has_link and (mac not in before.records or not before.records[mac].has_link):
                self.full.pop(mac, None)
                self.schedule = self.schedule.hurried(mac, now)
        strangers = frozenset(link.index for link in records.unlisted_links(node, links))
        if strangers - self._strangers:
            self.schedule = self.schedule.hurried(LISTING, now)
        self._strangers = strangers
        self.schedule = self.schedule.of(node.records)
        for last in (self.full, self.details):
            for mac in last.keys() - node.records.keys():
                del last[mac]

    def _counted(self, now: float) -> eni.Lookup:
        """Return a lookup that tells the schedule of each request."""
        look = self._look()

        def counted(path: str) -> str | Unknown | None:
            self.schedule = self.schedule.spent(1, now)
            return look(path)

        return counted

    @staticmethod
    def _is_due(last: dict[str, float], mac: str, period: float, now: float) -> bool:
        """Whether a period has passed since this was true; a new one begins where it has."""
        is_due = now - last.get(mac, -period) >= period
        if is_due:
            last[mac] = now
        return is_due

    def _take(self, key: str, before: Turn, turn: Turn) -> None:
        """Give the next turn, unless something has happened during the last one that asks for a look at once."""
        if self.schedule.turns.get(key) is before:
            self.schedule = self.schedule.put(key, turn)

    def _steady(self, now: float) -> Turn:
        return steady(now, self._jitter(STEADY), kicked=now < self.schedule.kicked_until)
