"""The rules of values with a shape of their own: registries, hosts, sysctls, commands."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import compress
from typing import Any, TypeVar

from agent.configure import kubernetes_rules, rules, url_rules
from agent.configure.schema import RefusedError, SomeRefusedError, rule
from agent.configure.shown import show

T = TypeVar("T")

_REGISTRY = re.compile(r"\*|[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?|\[[0-9a-f:]+\](:[0-9]{1,5})?")
# As docker's own configuration has them.
_REGISTRY_AS_URL = re.compile(r"https?://([^/@]+)(/v[12])?/?")
_ALIASES = {"index.docker.io": "docker.io"}
_MIRROR = (
    "registry and endpoint, a list of http or https URLs, or those by the registry's name; a host without a scheme is"
    " spoken to by https, the node itself by http"
)
_CREDENTIAL = "registry with username and password, auth or identitytoken"
_MOST_SAID = 5
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


@rule("list of tables, or table", _MIRROR)
def mirrors(raw: object) -> tuple[Mirror, ...]:
    return _of_registries(raw, "endpoint", _mirror, _MIRROR)


@rule("list of tables, or table", _CREDENTIAL)
def credentials(raw: object) -> tuple[Credential, ...]:
    return _of_registries(raw, "auth", _credential, _CREDENTIAL)


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


def _of_registries(raw: object, short: str, read: Callable[[Mapping[str, Any]], T], must: str) -> tuple[T, ...]:
    """Read what there is of each registry; one that is refused costs itself only, and its name is said."""
    tables = _tables(raw, short)
    found = [_read(read, table, must) for table in tables]
    good = tuple(each for each in found if not isinstance(each, str))
    refused = [(_name(table), each) for table, each in zip(tables, found, strict=True) if isinstance(each, str)]
    if not refused:
        return good
    if not good:
        raise RefusedError(f"{refused[0][1]}; that of {refused[0][0]} is not")
    taken = [not isinstance(each, str) for each in found]
    written = dict(compress(raw.items(), taken)) if isinstance(raw, dict) else list(compress(_list(raw), taken))
    said = "; ".join(f"that of {name} is refused: must be {reason}" for name, reason in refused[:_MOST_SAID])
    raise SomeRefusedError(good, written, said)


def _read(read: Callable[[Mapping[str, Any]], T], table: Mapping[str, Any], must: str) -> T | str:
    """Return what a table is read as, or what it must be."""
    try:
        return read(table)
    except RefusedError as reason:
        return str(reason) or must


def _name(table: Mapping[str, Any]) -> str:
    return show(table["registry"]) if "registry" in table else "no registry"


def _tables(raw: object, short: str) -> list[Mapping[str, Any]]:
    """Take a list of tables, or a table by registry; what is no table in it stands for the key `short`."""
    if isinstance(raw, dict):
        return [{"registry": name, **(each if isinstance(each, dict) else {short: each})} for name, each in raw.items()]
    return [each if isinstance(each, dict) else {} for each in _list(raw)]


def _mirror(table: Mapping[str, Any]) -> Mirror:
    endpoints = tuple(url_rules.url(each).rstrip("/") for each in rules.texts(table.get("endpoint")))
    capabilities = tuple(rules.texts(table.get("capabilities", ["pull", "resolve"])))
    strange = set(table) - {"registry", "endpoint", "capabilities"}
    if strange or not endpoints or not capabilities or not set(capabilities) <= set(_CAPABILITIES):
        raise RefusedError
    return Mirror(_registry(table.get("registry")), endpoints, capabilities)


def _credential(table: Mapping[str, Any]) -> Credential:
    given = {name: rules.text(value) for name, value in table.items() if name != "registry" and value != ""}
    if not given or not set(given) <= set(_SECRETS) or ("password" in given) != ("username" in given):
        raise RefusedError
    return Credential(_registry(table.get("registry")), **given)


def _registry(raw: object) -> str:
    url = _REGISTRY_AS_URL.fullmatch(raw) if isinstance(raw, str) else None
    name = rules.matching(url[1] if url else raw, _REGISTRY)
    return _ALIASES.get(name, name)
