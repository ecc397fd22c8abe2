"""The rules of values with a shape of their own: registries, hosts, sysctls, commands."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from agent.configure import kubernetes_rules, rules, url_rules
from agent.configure.schema import RefusedError, rule

_REGISTRY = re.compile(r"\*|[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?|\[[0-9a-f:]+\](:[0-9]{1,5})?")
_SYSCTL = re.compile(r"[a-zA-Z0-9_-][a-zA-Z0-9./_-]{0,127}")
_CAPABILITIES = ("pull", "resolve", "push")
_SHORTEST_INTERVAL, _LONGEST_INTERVAL = 60.0, 86400.0
_SECRETS = ("username", "password", "auth", "identitytoken")


@rule("string", "a duration such as 90s or 1h, from one minute to 24 hours")
def console_interval(raw: object) -> str:
    length = rules.duration(raw)
    if not _SHORTEST_INTERVAL <= rules.seconds(length) <= _LONGEST_INTERVAL:
        raise RefusedError
    return length


@dataclass(frozen=True, slots=True)
class HostsLine:
    """One line of /etc/hosts."""

    address: rules.Address
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Mirror:
    """Where images of a registry come from, best first; `*` stands for every registry."""

    registry: str
    endpoints: tuple[str, ...]
    capabilities: tuple[str, ...] = ("pull", "resolve")


@dataclass(frozen=True, slots=True)
class Credential:
    """Who the node is to a registry: a name and password, their base64 as `auth`, or a token."""

    registry: str
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    auth: str = field(default="", repr=False)
    identitytoken: str = field(default="", repr=False)


@rule("list", '[ip, [name, …]] for each line, such as [["10.0.0.5", ["db.example.com", "db"]]]')
def hosts(raw: object) -> tuple[HostsLine, ...]:
    lines = []
    for pair in _list(raw):
        if not isinstance(pair, list) or len(pair) != 2:
            raise RefusedError
        names = tuple(rules.host(name) for name in rules.texts(pair[1]))
        if not names:
            raise RefusedError
        lines.append(HostsLine(rules.address(pair[0]), names))
    return tuple(lines)


@rule(
    "list of tables, or table", "registry and endpoint, a list of http or https URLs, or those by the registry's name"
)
def mirrors(raw: object) -> tuple[Mirror, ...]:
    return tuple(_mirror(each) for each in _tables(raw, "endpoint"))


@rule("list of tables, or table", "registry with username and password, auth or identitytoken")
def credentials(raw: object) -> tuple[Credential, ...]:
    return tuple(_credential(each) for each in _tables(raw, "auth"))


@rule("string, integer", "in one line, under a sysctl's name without '..'")
def sysctl(name: str, raw: object) -> str:
    if not _SYSCTL.fullmatch(name) or ".." in name:
        raise RefusedError
    if name.replace("/", ".") == "kernel.hostname":
        raise RefusedError("another one: settings.network.hostname is the host name")
    if isinstance(raw, int) and not isinstance(raw, bool) and -(1 << 63) <= raw < 1 << 63:
        return str(raw)
    return rules.text(raw)


@rule("list of lists of strings", "a list of commands, each a list of its words")
def commands(raw: object) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(rules.text(word) for word in rules.texts(command)) for command in _list(raw))


@rule("list of strings", f"a list, each {kubernetes_rules.flag.says}")
def flags(raw: object) -> tuple[str, ...]:
    return tuple(kubernetes_rules.flag(each) for each in rules.texts(raw))


def _list(raw: object) -> list[Any]:
    if not isinstance(raw, list):
        raise RefusedError
    return raw


def _tables(raw: object, short: str) -> Iterable[Mapping[str, Any]]:
    """Take a list of tables, or a table by registry; what is no table in it stands for the key `short`."""
    if isinstance(raw, dict):
        return [{"registry": name, **(each if isinstance(each, dict) else {short: each})} for name, each in raw.items()]
    tables = _list(raw)
    if not all(isinstance(each, dict) for each in tables):
        raise RefusedError
    return tables


def _mirror(table: Mapping[str, Any]) -> Mirror:
    endpoints = tuple(url_rules.url(each).rstrip("/") for each in rules.texts(table.get("endpoint")))
    capabilities = tuple(rules.texts(table.get("capabilities", ["pull", "resolve"])))
    strange = set(table) - {"registry", "endpoint", "capabilities"}
    if strange or not endpoints or not capabilities or not set(capabilities) <= set(_CAPABILITIES):
        raise RefusedError
    return Mirror(rules.matching(table.get("registry"), _REGISTRY), endpoints, capabilities)


def _credential(table: Mapping[str, Any]) -> Credential:
    given = {name: rules.text(value) for name, value in table.items() if name != "registry" and value != ""}
    if not given or not set(given) <= set(_SECRETS) or ("password" in given) != ("username" in given):
        raise RefusedError
    return Credential(rules.matching(table.get("registry"), _REGISTRY), **given)
