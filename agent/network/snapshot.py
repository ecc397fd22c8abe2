"""The published state of the ENIs (`enis.json`, docs/enis.md): what others rely on, and what a restart begins with."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from agent.model import Unknown
from agent.network.interfaces import device_number
from agent.network.records import Node, Record
from agent.network.targets import Target
from agent.network.wanted import IPV6_GATEWAY, gateway4
from agent.rtnl import Network

SCHEMA_VERSION = 1
POD_SUBNET = "podSubnet"
# An ENI in one of these states has all that its pods need.
_USABLE = frozenset({"ready", "degraded"})

T = TypeVar("T")

# JSON as it was read back: `restored` looks only at keys that we wrote ourselves.
Snapshot = Mapping[str, Any]


def build(
    node: Node, targets: Sequence[Target], boot_id: str, previous: Snapshot | None, *, pod_subnet_mode: bool
) -> Snapshot | None:
    """Return the snapshot, or None where nothing is to be published; the generation grows with each change."""
    if not targets:
        return None
    before = previous if previous and previous.get("bootId") == boot_id else {}
    body = {
        "schemaVersion": SCHEMA_VERSION,
        "bootId": boot_id,
        "podMode": POD_SUBNET if pod_subnet_mode else "default",
        "enis": [_entry(node.records[target.mac], target) for target in targets],
        **_vpc(targets),
    }
    generation = before.get("generation", 0)
    changed = body != {key: value for key, value in before.items() if key != "generation"}
    return {**body, "generation": generation + 1 if changed else generation}


def usable(record: Record, target: Target) -> tuple[Network, ...]:
    """Return the ENI's prefixes whose rules have been made; those of one that leaves are no more."""
    if record.state not in _USABLE or target.link is None:
        return ()
    made = record.claim.pods
    return tuple(each for each in target.holding.prefixes if each in made and not _is_within(each, record.lacking))


def _is_within(network: Network, others: Iterable[Network]) -> bool:
    return any(each.version == network.version and network[0] in each for each in others)


def as_json(snapshot: Snapshot) -> bytes:
    return (json.dumps(snapshot, indent=2, sort_keys=True) + "\n").encode()


def parsed(text: str | None) -> Snapshot | None:
    """Return a snapshot of ours, or None where the text is none, or another schema's."""
    try:
        body: Any = json.loads(text or "null")
    except ValueError:
        return None
    return body if isinstance(body, dict) and body.get("schemaVersion") == SCHEMA_VERSION else None


def _entry(record: Record, target: Target) -> dict[str, object]:
    link = target.link
    return {
        "mac": target.mac,
        "primary": _plain(target.interface.primary),
        "deviceNumber": _plain(device_number(target.interface)),
        "ifname": link.name if link else None,
        "ifindex": link.index if link else None,
        "altnames": sorted(link.altnames) if link else [],
        "mtu": link.mtu if link else None,
        "role": target.interface.role,
        "table": target.holding.table,
        "formerTable": next(iter(sorted(target.claim.tables - {target.holding.table})), None),
        "state": record.state,
        "reason": record.reason,
        "podRangesUsable": bool(usable(record, target)),
        "withdrawnPrefixes": sorted(map(str, target.withdrawn)),
        "timestamps": {
            "linkSeen": _time(record.link_seen),
            "imdsComplete": _time(record.complete),
            "ready": _time(record.ready),
            "state": _time(record.since),
        },
        **_metadata(target),
    }


def _metadata(target: Target) -> dict[str, object]:
    eni, router = target.interface.eni, gateway4(target.interface)
    return {
        "eniId": _plain(eni.eni_id),
        "networkCard": _plain(eni.network_card),
        "subnetId": _plain(eni.subnet_id),
        "ownerId": _plain(eni.owner_id),
        "securityGroupIds": _list(eni.security_group_ids),
        "subnetCidr4": _known(eni.subnet_ipv4_cidr, str),
        "subnetCidrs6": _list(eni.subnet_ipv6_cidrs),
        "gateway4": None if router is None else str(router),
        "gateway6": str(IPV6_GATEWAY) if isinstance(eni.ipv6s, tuple) else None,
        "eniIPv4": _known(eni.ipv4s, _first),
        "eniIPv6": _known(eni.ipv6s, _first),
        "secondaryIPv4s": _known(eni.ipv4s or (), _rest) or [],
        "secondaryIPv6s": _known(eni.ipv6s or (), _rest) or [],
        "prefixes4": _list(eni.ipv4_prefixes),
        "prefixes6": _list(eni.ipv6_prefixes),
    }


def _vpc(targets: Iterable[Target]) -> dict[str, object]:
    primary = next((each.interface.eni for each in targets if each.interface.primary is True), None)
    if primary is None:
        return {"primaryIP": None, "ipFamily": None, "vpcCidrs4": [], "vpcCidrs6": []}
    families = [
        name for name, values in (("ipv4", primary.ipv4s), ("ipv6", primary.ipv6s)) if isinstance(values, tuple)
    ]
    return {
        "primaryIP": _known(primary.ipv4s or primary.ipv6s, _first),
        "ipFamily": "dual" if len(families) == 2 else next(iter(families), None),
        "vpcCidrs4": _list(primary.vpc_ipv4_cidrs),
        "vpcCidrs6": _list(primary.vpc_ipv6_cidrs),
    }


def _time(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


def _plain(value: T | Unknown | None) -> T | None:
    return None if isinstance(value, Unknown) else value


def _known(value: T | Unknown | None, convert: Callable[[T], object]) -> object:
    return None if value is None or isinstance(value, Unknown) else convert(value)


def _list(values: Sequence[object] | Unknown | None) -> object:
    return _known(values or (), lambda found: [str(value) for value in found]) or []


def _first(values: Sequence[object]) -> str:
    return str(values[0])


def _rest(values: Sequence[object]) -> list[str]:
    return [str(value) for value in values[1:]]
