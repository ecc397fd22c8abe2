"""Asking IMDS: what is due is read and learnt, and its next turn chosen."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from agent import eni
from agent.model import Unknown
from agent.network import records
from agent.network.memory import learn
from agent.network.polling import FULL, LISTING, STEADY, Schedule, Turn, steady, waiting, wavering
from agent.network.records import Node
from agent.rtnl import Link


class Asker:
    """Who is asked for when; `look` begins a series of reads that belong together, `jitter` spreads a period."""

    def __init__(self, look: Callable[[], eni.Lookup], jitter: Callable[[float], float]) -> None:
        self.schedule = Schedule()
        self._look = look
        self._jitter = jitter
        self._full: dict[str, float] = {}
        self._strangers: frozenset[int] = frozenset()

    def ask_listing(self, node: Node, now: float, *, seen_since: float) -> Node:
        """Read which ENIs there are; those that are new count as seen since the time given."""
        look = self._look()
        primary, macs = eni.read_primary(look), eni.read_macs(look)
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
        turn = waiting(self.schedule.turns[LISTING], now) if is_waited_for else self._steady(now)
        self.schedule = self.schedule.put(LISTING, turn)
        return node

    def ask_eni(self, node: Node, mac: str, now: float) -> Node:
        """Read one ENI: all of it now and then, else its addresses and what is not known yet."""
        record = node.records[mac]
        is_full = now - self._full.get(mac, -FULL) >= FULL
        reading = eni.read_eni(mac, self._look(), None if is_full else record.memory.seen)
        if is_full:
            self._full[mac] = now
        memory = learn(record.memory, reading, now)
        node = node.with_record(mac, replace(record, memory=memory))
        # What IMDS still says of one whose link has gone is stale.
        if record.link_gone is None and records.is_pending(node, mac, now):
            turn = waiting(self.schedule.turns[mac], now)
        else:
            turn = wavering(now) if memory.wavering or not memory.firm else self._steady(now)
        self.schedule = self.schedule.put(mac, turn)
        return node

    def meet(self, before: Node, node: Node, links: Sequence[Link], now: float) -> None:
        """Take note of which links there are; one that is new has news in IMDS, or will have."""
        for mac, record in node.records.items():
            if record.has_link and (mac not in before.records or not before.records[mac].has_link):
                self._full.pop(mac, None)
                self.schedule = self.schedule.hurried(mac, now)
        strangers = frozenset(link.index for link in records.unlisted_links(node, links))
        if strangers - self._strangers:
            self.schedule = self.schedule.hurried(LISTING, now)
        self._strangers = strangers
        self.schedule = self.schedule.of(node.records)

    def _steady(self, now: float) -> Turn:
        return steady(now, self._jitter(STEADY), kicked=now < self.schedule.kicked_until)
