"""All that is known of the node's ENIs from pass to pass, and the state of each with its times.

link-seen → metadata-pending → configuring → ready ⇄ degraded → draining → gone; and `ignored`, and `link-missing` for
one that IMDS lists before its link is there.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from agent.eni import EniTree, unread
from agent.model import Unknown
from agent.network.interfaces import Interface, is_candidate, link_of, missing, pair
from agent.network.memory import AGREE_AFTER, Memory, begin, has_address, settled
from agent.network.targets import NOTHING, Claim, Target, without_ceded
from agent.network.wanted import Holding, holding
from agent.rtnl import Link, Network

# A driver may be bound anew under the same MAC; a link that stays away longer was detached.
GRACE = 1.0
_NOT_READ = Unknown("IMDS has not said yet which interface is the primary")


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of one ENI; times are seconds since boot, None for what has not happened."""

    memory: Memory
    claim: Claim = NOTHING
    state: str = "link-missing"
    reason: str | None = None
    since: float = 0.0
    link_seen: float | None = None
    link_gone: float | None = None
    # When a listing lacked it first, and last, since it was last listed.
    unlisted: float | None = None
    missed: float | None = None
    complete: float | None = None
    ready: float | None = None
    # Networks for which not all could be made: pods of them are not reached.
    lacking: frozenset[Network] = frozenset()

    @property
    def has_link(self) -> bool:
        return self.link_seen is not None and self.link_gone is None

    @property
    def has_left(self) -> bool:
        """Whether its link is gone for good."""
        return self.state in {"draining", "gone"} and self.link_gone is not None


@dataclass(frozen=True, slots=True)
class Node:
    """The ENIs by their MACs, which of them is the primary, and why IMDS could not be read of late (None: it was)."""

    primary_mac: str | Unknown = _NOT_READ
    records: Mapping[str, Record] = field(default_factory=dict)
    trouble: str | None = None
    listed: bool = False  # whether this process has ever read which ENIs there are

    def with_record(self, mac: str, record: Record) -> "Node":
        return replace(self, records={**self.records, mac: record})


def listing(node: Node, macs: Sequence[str], now: float) -> Node:
    """Return the node after IMDS has told which interfaces there are."""
    records = dict(node.records)
    for mac, record in node.records.items():
        if mac in macs:
            records[mac] = replace(record, unlisted=None, missed=None)
        else:
            records[mac] = replace(record, unlisted=now if record.unlisted is None else record.unlisted, missed=now)
    for mac in macs:
        records.setdefault(mac, Record(begin(unread(mac, f"IMDS has not told of {mac} yet"), now), since=now))
    return replace(node, records=records, listed=True)


def links_seen(node: Node, links: Sequence[Link], now: float) -> Node:
    """Return the node with who has a link, and without who has gone and left nothing behind."""
    records = {}
    for mac, record in node.records.items():
        seen = _with_link(record, link_of(mac, links), now)
        if not _is_over(seen):
            records[mac] = seen
    return replace(node, records=records)


def _with_link(record: Record, link: Link | None, now: float) -> Record:
    if link is None:
        is_new = record.link_seen is not None and record.link_gone is None
        return replace(record, link_gone=now) if is_new else record
    if record.has_left:
        # Attached again, maybe elsewhere: what IMDS said before means nothing.
        fresh = begin(unread(record.memory.eni.mac, "it was attached anew"), now)
        return Record(
            fresh, record.claim, "link-seen", None, now, link_seen=now, unlisted=record.unlisted, missed=record.missed
        )
    return replace(record, link_gone=None, link_seen=now if record.link_seen is None else record.link_seen)


def _is_over(record: Record) -> bool:
    is_gone = record.state == "gone" and record.claim == NOTHING and record.link_gone is not None
    # IMDS lists one that has gone for a minute longer, and one that was moved to another namespace for ever.
    return record.unlisted is not None and (record.link_seen is None or is_gone)


def targets(node: Node, links: Sequence[Link], now: float, *, pod_subnet_mode: bool) -> tuple[Target, ...]:
    """Return what each ENI should have now."""
    memories = [record.memory for record in node.records.values() if not record.has_left]
    enis = tuple(settled(record.memory, memories, now) for record in node.records.values())
    interfaces = pair(EniTree(node.primary_mac, enis), links, pod_subnet_mode=pod_subnet_mode)
    taken = _owners(node, interfaces)
    found = [_target(node.records[each.eni.mac], each, taken, now) for each in interfaces]
    leaving = {mac for mac, record in node.records.items() if is_unlisted(record)}
    return without_ceded(found, leaving)


def _owners(node: Node, interfaces: Iterable[Interface]) -> Mapping[int, str]:
    """Return whose each table is: of two that IMDS gives one number, who had it first."""
    owners: dict[int, str] = {}
    present = [each for each in interfaces if each.link is not None]
    for each in sorted(present, key=lambda each: (node.records[each.eni.mac].ready or float("inf"), each.eni.mac)):
        table = holding(each).table
        if table is not None:
            owners.setdefault(table, each.eni.mac)
    return owners


def _target(record: Record, interface: Interface, owners: Mapping[int, str], now: float) -> Target:
    held = holding(interface)
    rival = owners.get(held.table or 0)
    gone = interface.primary is False and record.link_gone is not None
    # Whose number another has already is cleared away at once.
    is_over = gone and (
        now - (record.link_gone or now) >= GRACE or any(table in owners for table in record.claim.tables)
    )
    if is_over or (rival is not None and rival != held.mac):
        held = Holding(held.mac, held.primary, None)
    return Target(interface, held, record.claim, record.memory.firm, is_over)


def is_unlisted(record: Record) -> bool:
    """Whether IMDS lists the ENI no more, and said so twice."""
    if record.unlisted is None or record.missed is None:
        return False
    return record.missed - record.unlisted >= AGREE_AFTER


def is_doubted(node: Node) -> bool:
    """Whether a listing lacked an ENI that has its link, and another is to say the same."""
    return any(
        record.has_link and record.unlisted is not None and not is_unlisted(record) for record in node.records.values()
    )


def judged(record: Record, target: Target, troubles: Sequence[str], now: float) -> Record:
    """Return the record with its state after a pass; `troubles` are why not all is as it should be."""
    state, reason = _state(record, target, troubles, now)
    complete = now if record.complete is None and missing(target.interface) is None else record.complete
    ready = now if record.ready is None and state == "ready" else record.ready
    since = record.since if (state, reason) == (record.state, record.reason) else now
    return replace(record, state=state, reason=reason, since=since, complete=complete, ready=ready)


def _state(record: Record, target: Target, troubles: Sequence[str], now: float) -> tuple[str, str | None]:
    if target.gone:
        return _leaving(target)
    pending = _pending(record, target, now)
    if target.link is None:
        return _without_link(record, target, pending)
    if is_unlisted(record) and target.interface.primary is False:
        return "draining", "IMDS lists it no more, so it is being detached"
    if record.memory.is_unread:
        return "link-seen", record.memory.trouble
    return _settled_state(target, target.link, troubles) if pending is None else ("metadata-pending", pending)


def _settled_state(target: Target, link: Link, troubles: Sequence[str]) -> tuple[str, str | None]:
    if target.interface.role == "ignored":
        return "ignored", None
    if troubles:
        return "degraded", "; ".join(troubles)
    return ("ready", None) if link.carrier else ("degraded", f"{link.name} has no carrier")


def _without_link(record: Record, target: Target, pending: str | None) -> tuple[str, str | None]:
    if record.link_seen is not None:
        return "link-missing", "its link has gone"
    # One for EFA only has no link as a rule.
    is_complete = target.interface.role == "ignored" and pending is None
    return ("ignored", None) if is_complete else ("link-missing", f"no link has the MAC {target.mac}")


def _leaving(target: Target) -> tuple[str, str | None]:
    if target.lingering:
        return "draining", f"detached, but pods use {', '.join(map(str, sorted(target.lingering, key=str)))}"
    return "gone", None


def _pending(record: Record, target: Target, now: float) -> str | None:
    reason = missing(target.interface)
    if reason is not None:
        return reason
    if target.interface.primary is False and not has_address(record.memory, now):
        return f"IMDS lists no address of {target.mac} yet"
    if target.holding.table is None:
        return f"IMDS gives its device number, {target.interface.eni.device_number}, to another interface too"
    return None


def is_pending(node: Node, mac: str, now: float) -> bool:
    """Whether IMDS may have more to say of an ENI than it did, and is asked again soon."""
    memory = node.records[mac].memory
    memories = [record.memory for record in node.records.values() if not record.has_left]
    asked = settled(memory, memories, now)
    primary = [each.eni for each in memories if each.eni.mac == node.primary_mac != mac]
    found = next(each for each in pair(EniTree(node.primary_mac, (asked, *primary)), ()) if each.eni is asked)
    is_late = found.primary is False and not has_address(memory, now)
    return is_late or missing(found) is not None or memory.trouble is not None


def gist(node: Node) -> tuple[object, ...]:
    """Return what a reading of IMDS may have changed that matters to the kernel or to others."""
    return (node.primary_mac, node.trouble, [(mac, told(record)) for mac, record in node.records.items()])


def told(record: Record) -> tuple[object, ...]:
    """Return what of one ENI a reading may have changed."""
    memory = record.memory
    return (memory.eni, memory.firm, memory.trouble, record.unlisted is None, is_unlisted(record))


def unlisted_links(node: Node, links: Sequence[Link]) -> tuple[Link, ...]:
    """Return the links that may be ENIs of which IMDS has not told yet: of a kind with the primary's."""
    known = node.records.keys()
    primary = link_of(node.primary_mac, links) if isinstance(node.primary_mac, str) else None
    return tuple(
        link
        for link in links
        if is_candidate(link)
        and (primary is None or link.kind == primary.kind)
        and (link.permanent_mac or link.mac) not in known
    )


def before_changes(
    node: Node, targets: Sequence[Target], troubles: Mapping[str, Sequence[str]], busy: Collection[str], *, now: float
) -> Node:
    """Return the node as it is published before the changes: who leaves does, and what is to be made is claimed."""
    records = dict(node.records)
    for target in targets:
        before = records[target.mac]
        record = judged(before, target, troubles.get(target.mac, ()), now)
        is_new = before.ready is None and before.state != "degraded"
        if target.mac in busy and is_new and record.state in {"ready", "degraded"}:
            record = replace(record, state="configuring", reason=None, ready=None)
        records[target.mac] = record
    return replace(node, records=records)


def after_changes(
    node: Node,
    targets: Sequence[Target],
    troubles: Mapping[str, Sequence[str]],
    now: float,
    *,
    lacking: Mapping[str, frozenset[Network]],
) -> Node:
    """Return the node with the state of each ENI, and a claim on all that was made for it."""
    records = dict(node.records)
    for target in targets:
        record, eni = records[target.mac], target.interface.eni
        is_made = target.link is not None and target.interface.is_ours
        claim = (target.claim.joined(target.holding) if is_made else target.claim).refusing(target.lingering)
        if target.holding.table is not None and eni.network_card is None and not record.memory.cardless:
            record = replace(record, memory=replace(record.memory, cardless=True))
        record = replace(record, claim=claim, lacking=lacking.get(target.mac, frozenset()))
        records[target.mac] = judged(record, target, troubles.get(target.mac, ()), now)
    return replace(node, records=records)


def with_links(targets: Sequence[Target], links: Sequence[Link]) -> tuple[Target, ...]:
    """Return the targets with their links as they are now."""
    by_index = {link.index: link for link in links}
    return tuple(
        replace(each, interface=replace(each.interface, link=by_index.get(each.link.index, each.link)))
        if each.link is not None
        else each
        for each in targets
    )


def settles_in(node: Node, now: float) -> float:
    """Return how long it is until time alone changes something: a loss of a link counts."""
    if any(_is_over(record) for record in node.records.values()):
        return 0.0
    gone = [record.link_gone for record in node.records.values() if not record.has_left]
    ends = [since + GRACE for since in gone if since is not None]
    return min((end - now for end in ends if end > now), default=float("inf"))
