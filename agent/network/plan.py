"""The desired state of every ENI as JSON, for people and programs that ask before it is made."""

import json
from collections.abc import Mapping, Sequence
from ipaddress import ip_network
from typing import Any

from agent import eni
from agent.errors import SettingsError
from agent.model import Unknown
from agent.network import wanted
from agent.network.interfaces import Interface, device_number, missing, pair
from agent.rtnl import Route, Rule

_INDEX = 0  # a plan knows no links
_NAME = "{ifname}"


def render(text: str, *, pod_subnet_mode: bool) -> str:
    """Return the plan for a tree of IMDS: a JSON object from paths below `latest/` to bodies, null for unknown."""
    tree = eni.read_tree(_lookup(_parsed(text)))
    interfaces = pair(tree, (), pod_subnet_mode=pod_subnet_mode)
    reasons: list[dict[str, str | None]] = [
        {"mac": each.eni.mac, "reason": reason} for each in interfaces if (reason := missing(each))
    ]
    if isinstance(tree.enis, Unknown):
        reasons = [{"mac": None, "reason": tree.enis.reason}]
    body = {"enis": [_entry(each) for each in interfaces if _is_placed(each)], "pending": reasons}
    return json.dumps(body, indent=2, sort_keys=True) + "\n"


def _parsed(text: str) -> Mapping[str, Any]:
    hint = 'give one such as {"meta-data/mac": "02:00:00:00:00:01", …}'
    try:
        tree = json.loads(text)
    except ValueError as error:
        raise SettingsError(f"the tree is no JSON: {error}", hint=hint) from error
    if not isinstance(tree, dict) or not all(body is None or isinstance(body, str) for body in tree.values()):
        raise SettingsError("the tree is no JSON object of strings and nulls", hint=hint)
    return tree


def _lookup(tree: Mapping[str, Any]) -> eni.Lookup:
    def look(path: str) -> str | Unknown | None:
        if path in tree:
            body = tree[path]
            return Unknown(f"IMDS does not answer {path}") if body is None else str(body)
        below = [key.removeprefix(path) for key in tree if path.endswith("/") and key.startswith(path)]
        names = {first + slash for first, slash, _ in (key.partition("/") for key in below)}
        return "\n".join(sorted(names)) or None

    return look


def _is_placed(interface: Interface) -> bool:
    """Whether enough is known to say anything: which interface it is, and where it is attached."""
    return isinstance(interface.primary, bool) and wanted.holding(interface).table is not None


def _entry(interface: Interface) -> dict[str, object]:
    found, held = interface.eni, wanted.holding(interface)
    ignored = interface.role == "ignored"
    prefixes = _cidrs(found.ipv4_prefixes) + _cidrs(found.ipv6_prefixes)
    router = None if ignored else wanted.gateway4(interface)
    return {
        "eniId": None if isinstance(found.eni_id, Unknown) else found.eni_id,
        "mac": found.mac,
        "primary": interface.primary,
        "deviceNumber": device_number(interface),
        "networkCard": found.network_card,
        "role": interface.role,
        "table": held.table,
        "mtu": wanted.MTU if interface.is_ours else None,
        "gateway4": None if router is None else str(router),
        "gateway6": _gateway6(interface),
        "addresses": [str(ip_network(host)) for host in held.hosts],
        "prefixes": prefixes,
        "routes": [_route(route) for route in wanted.routes(held, _INDEX)],
        "rules": [_rule(rule) for rule in wanted.rules(held)],
        "sysctls": wanted.sysctls(interface, _NAME),
    }


def _gateway6(interface: Interface) -> str | None:
    found = interface.eni
    has_ipv6 = any(isinstance(values, tuple) for values in (found.ipv6s, found.ipv6_prefixes))
    return str(wanted.IPV6_GATEWAY) if has_ipv6 and interface.role != "ignored" else None


def _cidrs(values: Sequence[object] | Unknown | None) -> list[str]:
    return [] if values is None or isinstance(values, Unknown) else [str(value) for value in values]


def _route(route: Route) -> dict[str, object]:
    return {
        "family": route.dst.version,
        "table": route.table,
        "dst": str(route.dst),
        "type": "unreachable" if route.unreachable else "unicast",
        "gateway": None if route.gateway is None else str(route.gateway),
        "scope": "link" if route.on_link else "global",
        "metric": route.metric or None,
    }


def _rule(rule: Rule) -> dict[str, object]:
    return {
        "family": rule.version,
        "priority": rule.priority,
        "src": None if rule.src is None else str(rule.src),
        "dst": None if rule.dst is None else str(rule.dst),
        "fwmark": f"{rule.mark:#x}/{rule.mask:#x}" if rule.mask else None,
        "table": rule.table,
    }
