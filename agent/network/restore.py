"""What a daemon that starts again knows from its own snapshot: the ENIs of this boot and what was made for them."""

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Any

from agent.eni import Eni
from agent.model import Unknown
from agent.network.memory import AGREE_AFTER, begin
from agent.network.numbers import FROM_POD, TO_POD
from agent.network.records import Node, Record
from agent.network.settings import Settings
from agent.network.snapshot import POD_SUBNET, Snapshot
from agent.network.targets import NOTHING, Claim
from agent.network.wanted import EVERYWHERE, Holding
from agent.rtnl import MAIN_TABLE, UNREACHABLE, Rule

_NOT_READ = Unknown("IMDS has not been read since the daemon started")


def node(snapshot: Snapshot | None, boot_id: str) -> Node:
    """Return the node as it was published in this boot; empty where it was not, or the snapshot is damaged."""
    if snapshot is None or snapshot.get("bootId") != boot_id:
        return Node()
    try:
        records = {entry["mac"]: _record(entry, snapshot) for entry in snapshot["enis"]}
        primary = next((entry["mac"] for entry in snapshot["enis"] if entry["primary"]), _NOT_READ)
    except (KeyError, TypeError, ValueError):
        return Node()
    return Node(primary, records)


def settings(snapshot: Snapshot | None, boot_id: str) -> Settings:
    """Return the settings that the snapshot was made with; the defaults where there is none of this boot."""
    if snapshot is None or snapshot.get("bootId") != boot_id:
        return Settings()
    return Settings(pod_subnet_mode=snapshot.get("podMode") == POD_SUBNET)


def _record(entry: Mapping[str, Any], snapshot: Snapshot) -> Record:
    times = entry["timestamps"]
    eni, state = _eni(entry, snapshot), entry["state"]
    left = state in {"draining", "gone"} and entry["ifindex"] is None
    # Of one that has its link it was said twice that IMDS lists it no more.
    unlisted = (times["state"] - AGREE_AFTER, times["state"]) if state == "draining" and not left else (None, None)
    # What was complete has long settled: a reading that says the same only confirms it.
    first = 0.0 if times["imdsComplete"] is not None else times["state"]
    return Record(
        memory=begin(eni, first, cardless=entry["table"] is not None and entry["networkCard"] is None),
        claim=_claim(entry, eni),
        state=state,
        reason=entry["reason"],
        since=times["state"],
        link_seen=times["linkSeen"],
        link_gone=times["state"] if left else None,
        unlisted=unlisted[0],
        missed=unlisted[1],
        complete=times["imdsComplete"],
        ready=times["ready"],
        lacking=frozenset() if entry["podRangesUsable"] else frozenset(EVERYWHERE.values()),
    )


def _eni(entry: Mapping[str, Any], snapshot: Snapshot) -> Eni:
    # What is null was absent where the metadata was complete, and may have been unknown before that.
    absent = None if entry["timestamps"]["imdsComplete"] is not None else _NOT_READ
    return Eni(
        mac=entry["mac"],
        eni_id=entry["eniId"] or _NOT_READ,
        device_number=_or(entry["deviceNumber"], _NOT_READ),
        network_card=_or(entry["networkCard"], absent),
        owner_id=entry["ownerId"] or absent,
        subnet_id=entry["subnetId"] or absent,
        security_group_ids=tuple(entry["securityGroupIds"]) or absent,
        ipv4s=_all(IPv4Address, [entry["eniIPv4"], *entry["secondaryIPv4s"]]) or absent,
        ipv6s=_all(IPv6Address, [entry["eniIPv6"], *entry["secondaryIPv6s"]]) or absent,
        ipv4_prefixes=_all(IPv4Network, entry["prefixes4"]) or absent,
        ipv6_prefixes=_all(IPv6Network, entry["prefixes6"]) or absent,
        subnet_ipv4_cidr=IPv4Network(entry["subnetCidr4"]) if entry["subnetCidr4"] else absent,
        subnet_ipv6_cidrs=_all(IPv6Network, entry["subnetCidrs6"]) or absent,
        vpc_ipv4_cidrs=_all(IPv4Network, snapshot["vpcCidrs4"]) or absent,
        vpc_ipv6_cidrs=_all(IPv6Network, snapshot["vpcCidrs6"]) or absent,
    )


def _claim(entry: Mapping[str, Any], eni: Eni) -> Claim:
    """Return what may have been made: the snapshot is written before the kernel is changed."""
    if entry["role"] == "ignored":
        return NOTHING
    ranges = [*entry["prefixes4"], *entry["prefixes6"], *entry["secondaryIPv4s"], *entry["secondaryIPv6s"]]
    pods = tuple(ip_network(each) for each in (*ranges, *entry["withdrawnPrefixes"]))
    hosts = tuple(each[0] for each in (eni.ipv4s, eni.ipv6s) if isinstance(each, tuple))
    # An ENI that has gone has no table any more, but its claim has.
    table = entry["table"] if entry["table"] is not None else entry["formerTable"]
    holding = Holding(eni.mac, bool(entry["primary"]), table, hosts, hosts, singles=pods)
    claim = Claim().joined(holding)
    to_main = [Rule(pod.version, TO_POD, MAIN_TABLE, dst=pod) for pod in pods]
    from_pods = [] if table in {None, MAIN_TABLE} else [Rule(pod.version, FROM_POD, table, src=pod) for pod in pods]
    # A refusal names no table: it may be there when the table is another's, and no more in the snapshot.
    withdrawn = map(ip_network, entry["withdrawnPrefixes"])
    refusals = [Rule(pod.version, FROM_POD, 0, src=pod, action=UNREACHABLE) for pod in withdrawn]
    return Claim(claim.rules | {*to_main, *from_pods, *refusals}, claim.hosts, claim.tables)


def _all(kind: Any, values: Any) -> tuple[Any, ...]:
    return tuple(kind(value) for value in values if value is not None)


def _or(value: Any, instead: Any) -> Any:
    return instead if value is None else value
