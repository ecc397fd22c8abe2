"""What the kernel of a namespace has, as lines that can be compared; numbers stay numbers."""

from __future__ import annotations

import json
import pathlib
from typing import Any

from world import namespaces
from world.processes import run

# Kernel's and iproute2's own; see linux/rtnetlink.h.
TYPES = {
    "1": "",
    "2": "local",
    "3": "broadcast",
    "4": "anycast",
    "5": "multicast",
    "6": "blackhole",
    "7": "unreachable",
}
SCOPES = {"0": "", "200": "site", "253": "link", "254": "host", "255": "nowhere"}
LOCAL = "255"
# The kernel's own rules lead to local, main and default.
OWN_PRIORITIES = {0, 32766, 32767}


def ip(namespace: str, *words: str) -> Any:
    return json.loads(run(["ip", "-N", "-j", "-d", "-n", namespace, *words]) or "[]")


def link(namespace: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = ip(namespace, "link", "show", "dev", name)[0]
    return found


def links(namespace: str) -> set[str]:
    return {entry["ifname"] for entry in ip(namespace, "link", "show") if entry}


def addresses(namespace: str, name: str) -> set[str]:
    """Return the global addresses of a link; a tentative one is marked, as it cannot be used yet."""
    (entry,) = (entry for entry in ip(namespace, "address", "show", "dev", name) if entry)
    return {
        f"{each['local']}/{each['prefixlen']}{' tentative' if each.get('tentative') else ''}"
        for each in entry["addr_info"]
        if each["scope"] == "0"
    }


def rules(namespace: str) -> list[str]:
    """Return every rule but the kernel's own, sorted; a duplicate stands twice."""
    found = [(family, rule) for family in (4, 6) for rule in ip(namespace, f"-{family}", "rule", "show")]
    return sorted(_rule(family, rule) for family, rule in found if rule["priority"] not in OWN_PRIORITIES)


def routes(namespace: str) -> list[str]:
    """Return every route that the kernel has not made itself, sorted."""
    shown = [
        (family, route)
        for family in (4, 6)
        for route in ip(namespace, f"-{family}", "route", "show", "table", "all")
        if route["table"] != LOCAL and route["protocol"] != "2"
    ]
    return sorted(_route(family, route) for family, route in shown)


def command(verb: str, line: str) -> str:
    """Return the words with which `ip` adds or deletes what a line shows; -6 comes first for IPv6."""
    family, first, *words = line.split()
    option = "-6 " if family == "6" else ""
    if first == "table":
        return f"{option}route {verb} {' '.join(words[1:])} table {words[0]}"
    *selector, _, protocol = words
    return f"{option}rule {verb} priority {first[:-1]} {' '.join(selector)} protocol {protocol}"


def sysctl(namespace: str, key: str) -> str:
    """Return a sysctl; the parts stand with slashes, as a link's name may have dots."""
    with namespaces.entered(namespace), pathlib.Path(f"/proc/sys/{key}").open() as value:
        return value.read().strip()


def write_sysctl(namespace: str, key: str, value: str) -> None:
    with namespaces.entered(namespace), pathlib.Path(f"/proc/sys/{key}").open("w") as file:
        file.write(value)


def _rule(family: int, rule: dict[str, Any]) -> str:
    words = [f"{family} {rule['priority']}:"]
    for key, length in (("src", "srclen"), ("dst", "dstlen")):
        value = rule.get(key, "all")
        if value != "all":
            words += ["from" if key == "src" else "to", _cidr(family, value, rule.get(length))]
    if "fwmark" in rule:
        words += ["fwmark", f"{rule['fwmark']}/{rule.get('fwmask', '0xffffffff')}"]
    words += [word for key in ("iif", "oif") if key in rule for word in (key, rule[key])]
    # linux/fib_rules.h, FR_ACT_UNREACHABLE; what looks up a table has no action here.
    words += ["unreachable"] if rule.get("action") == "7" else ["table", rule["table"]]
    return " ".join([*words, "proto", rule["protocol"]])


def _route(family: int, route: dict[str, Any]) -> str:
    words = [f"{family} table {route['table']}", TYPES[route["type"]], _destination(family, route["dst"])]
    words += ["via", route["gateway"]] if "gateway" in route else []
    # IPv6 gives a route that leads nowhere the device lo.
    words += ["dev", route["dev"]] if "dev" in route and route["type"] == "1" else []
    words += ["scope", scope] if (scope := SCOPES[route["scope"]]) else []
    words += ["metric", str(route["metric"])] if "metric" in route else []
    return " ".join(word for word in [*words, "proto", route["protocol"]] if word)


def _destination(family: int, value: str) -> str:
    return value if value == "default" else _cidr(family, value, None)


def _cidr(family: int, value: str, length: int | None) -> str:
    whole = 32 if family == 4 else 128
    return value if "/" in value else f"{value}/{length or whole}"
