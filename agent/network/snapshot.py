"""The published state of the ENIs (`enis.json`): what others on the node may rely on."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from agent.eni import Eni
from agent.model import Unknown
from agent.network import desired
from agent.network.desired import Interface
from agent.rtnl import Failure

SCHEMA_VERSION = 1
_NO_PRIMARY = Unknown("IMDS does not say which interface is the primary")

T = TypeVar("T")

# JSON as it was read back: only keys that we wrote ourselves are looked at.
Snapshot = Mapping[str, Any]


def build(
    interfaces: Sequence[Interface], failures: Sequence[Failure], boot_id: str, previous: Snapshot | None
) -> Snapshot | None:
    """Return the snapshot, or None where nothing is to be published.

    What is unknown now is told as before (in this boot). The generation grows when anything else has changed.
    """
    if not interfaces:
        return None
    before = previous if previous and previous.get("bootId") == boot_id else {}
    entries_before = {entry["mac"]: entry for entry in before.get("enis", [])}
    entries = [_entry(each, failures, entries_before.get(each.eni.mac, {})) for each in interfaces]
    body = {"schemaVersion": SCHEMA_VERSION, "bootId": boot_id, "enis": entries, **_vpc(interfaces, before)}
    generation = before.get("generation", 0)
    changed = body != {key: value for key, value in before.items() if key != "generation"}
    return {**body, "generation": generation + 1 if changed else generation}


def as_json(snapshot: Snapshot) -> bytes:
    return (json.dumps(snapshot, indent=2, sort_keys=True) + "\n").encode()


def state(interface: Interface, failures: Sequence[Failure]) -> tuple[str, str | None]:
    """Return the interface's state and the reason of one that is not `ready`."""
    link = interface.link
    if not desired.is_used(interface):
        return "ignored", None
    if link is None:
        return "link-missing", desired.pending(interface)
    refused = [failure for failure in failures if failure.change.index == link.index]
    if refused:
        return "degraded", str(refused[0])
    reason = desired.pending(interface)
    return ("ready", None) if reason is None else ("metadata-pending", reason)


def _entry(interface: Interface, failures: Sequence[Failure], before: Mapping[str, Any]) -> dict[str, Any]:
    link = interface.link
    name, reason = state(interface, failures)
    values: dict[str, object] = {
        "mac": interface.eni.mac,
        "primary": interface.primary,
        "deviceNumber": desired.device_number(interface),
        "ifname": link.name if link else None,
        "ifindex": link.index if link else None,
        "altnames": sorted(link.altnames) if link else [],
        "mtu": link.mtu if link else None,
        "state": name,
        "reason": reason,
        **_metadata(interface.eni),
    }
    return _as_before(values, before)


def _metadata(eni: Eni) -> dict[str, object]:
    return {
        "eniId": eni.eni_id,
        "networkCard": eni.network_card,
        "subnetId": eni.subnet_id,
        "ownerId": eni.owner_id,
        "securityGroupIds": _list(eni.security_group_ids),
        "subnetCidr4": _known(eni.subnet_ipv4_cidr, str),
        "subnetCidrs6": _list(eni.subnet_ipv6_cidrs),
        "eniIPv4": _known(eni.ipv4s, _first),
        "eniIPv6": _known(eni.ipv6s, _first),
        "secondaryIPv4s": _known(eni.ipv4s or (), lambda addresses: [str(address) for address in addresses[1:]]),
        "prefixes4": _list(eni.ipv4_prefixes),
        "prefixes6": _list(eni.ipv6_prefixes),
    }


def _vpc(interfaces: Sequence[Interface], before: Mapping[str, Any]) -> dict[str, object]:
    primary = next((each.eni for each in interfaces if each.primary is True), None)
    values: dict[str, object] = {
        "primaryIP": _known(primary.ipv4s, _first) if primary else _NO_PRIMARY,
        "vpcCidrs4": _list(primary.vpc_ipv4_cidrs) if primary else _NO_PRIMARY,
        "vpcCidrs6": _list(primary.vpc_ipv6_cidrs) if primary else _NO_PRIMARY,
    }
    return _as_before(values, before)


def _as_before(values: Mapping[str, object], before: Mapping[str, Any]) -> dict[str, object]:
    return {key: before.get(key) if isinstance(value, Unknown) else value for key, value in values.items()}


def _known(value: T | Unknown | None, convert: Callable[[T], object]) -> object:
    return value if value is None or isinstance(value, Unknown) else convert(value)


def _list(values: Sequence[object] | Unknown | None) -> object:
    return _known(values or (), lambda found: [str(value) for value in found])


def _first(values: Sequence[object]) -> str:
    return str(values[0])
