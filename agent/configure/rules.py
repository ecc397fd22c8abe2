"""The rules of single values, whatever they are for.

The patterns are those of Bottlerocket's settings SDK (modeled-types), where what reads the value is not stricter.
"""

import base64
import ipaddress
import re
from collections.abc import Mapping
from typing import TypeVar

from agent.configure.schema import RefusedError, Rule, rule

T = TypeVar("T")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

INT32 = (1 << 31) - 1
_IDENTIFIER = re.compile(r"[A-Za-z0-9-]{1,76}")
_DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_REGION = re.compile(r"[a-z]{2,8}(-[a-z]+)+-[0-9]{1,2}")
_DURATION = re.compile(r"0|(?=.)((?:\d+\.)?\d+h)?((?:\d+\.)?\d+m)?((?:\d+\.)?\d+s)?((?:\d+\.)?\d+ms)?", re.ASCII)
# Go counts nanoseconds in 64 bits, signed.
LONGEST_SECONDS = ((1 << 63) - 1) // 10**9
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PATH = re.compile(r"(/[A-Za-z0-9._-]+)+/?")
_UNIT = re.compile(r"(?!\.?service$)[A-Za-z0-9_][A-Za-z0-9:_.@-]{0,199}(?<![@.])(?<!@\.service)")
_LONGEST_TEXT = 4096
# The cluster's DNS service has the tenth address.
_LEAST_SERVICES = 16
# What ends a line for one program or another (SingleLineString of the SDK).
_LINE_ENDS = frozenset("\n\r\v\f\x85\u2028\u2029")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def integer(least: int, most: int) -> Rule[[object], int]:
    @rule("integer", f"an integer from {least} to {most}")
    def read(raw: object) -> int:
        if not isinstance(raw, int) or isinstance(raw, bool) or not least <= raw <= most:
            raise RefusedError
        return raw

    return read


def choice(*names: str) -> Rule[[object], str]:
    @rule("string", f"one of {', '.join(name or 'nothing' for name in names)}")
    def read(raw: object) -> str:
        if not isinstance(raw, str) or raw not in names:
            raise RefusedError
        return raw

    return read


def list_of(one: Rule[[object], T]) -> Rule[[object], tuple[T, ...]]:
    @rule(f"list of {one.kind}s", f"a list, each {one.says}")
    def read(raw: object) -> tuple[T, ...]:
        if not isinstance(raw, list):
            raise RefusedError
        return tuple(one(each) for each in raw)

    return read


def named(one: Rule[[object], T]) -> Rule[[str, object], T]:
    """Make the rule of an entry, whose name may be any text in one line."""

    @rule(one.kind, f"{one.says}, under a name in one line")
    def read(name: str, raw: object) -> T:
        if not is_line(name):
            raise RefusedError
        return one(raw)

    return read


@rule("boolean", "true or false, without quotes")
def boolean(raw: object) -> bool:
    if not isinstance(raw, bool):
        raise RefusedError
    return raw


@rule("string", f"text in one line of at most {_LONGEST_TEXT} characters")
def text(raw: object) -> str:
    if not isinstance(raw, str) or not is_line(raw):
        raise RefusedError
    return raw


@rule("integer or string", "a whole percentage from 0 to 100, as a number or in quotes")
def percent(raw: object) -> int:
    if isinstance(raw, str) and re.fullmatch(r"[0-9]{1,3}", raw, re.ASCII):
        raw = int(raw)
    if not isinstance(raw, int) or isinstance(raw, bool) or not 0 <= raw <= 100:
        raise RefusedError
    return raw


@rule("string", "a duration in hours, minutes, seconds and milliseconds such as 1h30m, 90s or 250ms")
def duration(raw: object) -> str:
    found = matching(raw, _DURATION)
    if seconds(found) > LONGEST_SECONDS:
        raise RefusedError("a duration that 64 bits of nanoseconds hold, 2562047h")
    return found


def seconds(length: str) -> float:
    """Return how long a duration is that the rule took."""
    return sum(float(number) * _SECONDS[unit] for number, unit in re.findall(r"([\d.]+)(ms|h|m|s)", length))


@rule("string", "base64 (the standard alphabet, with padding)")
def base64_bytes(raw: object) -> bytes:
    if not isinstance(raw, str):
        raise RefusedError
    try:
        return base64.b64decode("".join(raw.split()), validate=True)
    except ValueError as error:  # binascii.Error is one; not ASCII is another
        raise RefusedError from error


@rule("string", "1 to 76 letters, digits and hyphens")
def identifier(raw: object) -> str:
    return matching(raw, _IDENTIFIER)


@rule("string", "the name of a systemd service, with or without .service")
def unit_name(raw: object) -> str:
    return matching(raw, _UNIT)


@rule("string", "the name of an AWS region such as us-west-2")
def region(raw: object) -> str:
    return matching(raw, _REGION)


@rule("string", "an absolute path of letters, digits, '.', '_' and '-', without '..'")
def path(raw: object) -> str:
    found = matching(raw, _PATH)
    if ".." in found.split("/"):
        raise RefusedError
    return found.rstrip("/")


@rule("string", "an IP address")
def address(raw: object) -> Address:
    found = _address(raw)
    if found is None:
        raise RefusedError
    return found


@rule("string or list of strings", "an IP address or a list of IP addresses")
def addresses(raw: object) -> tuple[Address, ...]:
    """Take one address or a list of them."""
    found = [_address(each) for each in ([raw] if isinstance(raw, str) else texts(raw))]
    sure = tuple(each for each in found if each is not None)
    if not sure or len(sure) != len(found):
        raise RefusedError
    return sure


@rule("string", f"an IP network of {_LEAST_SERVICES} addresses or more such as 10.100.0.0/16 or fd12:3456::/108")
def service_network(raw: object) -> Network:
    """Take what Go's net.ParseCIDR takes: an address in the network stands for it."""
    if not isinstance(raw, str) or "/" not in raw or "%" in raw:
        raise RefusedError
    try:
        found = ipaddress.ip_network(raw, strict=False)
    except ValueError as error:
        raise RefusedError from error
    if found.num_addresses < _LEAST_SERVICES:
        raise RefusedError
    return found


@rule("string", "a lower-case DNS domain such as cluster.local")
def domain(raw: object) -> str:
    return _dns_name(raw, 253)


@rule("string", "a lower-case host name of at most 64 characters")
def host_name(raw: object) -> str:
    """Linux keeps at most 64 characters of a host name (sethostname(2))."""
    return _dns_name(raw, 64)


@rule("string", "a lower-case host name or an IP address")
def host(raw: object) -> str:
    return str(_address(raw) or _dns_name(raw, 253))


@rule(
    "string, integer", "in one line, under the name of a variable; HTTP_PROXY is never set, as it would catch metadata"
)
def variable(name: str, raw: object) -> str:
    if name.upper() == "HTTP_PROXY":
        raise RefusedError("of another name: HTTP_PROXY is never set, as it would catch metadata")
    if not _VARIABLE.fullmatch(name):
        raise RefusedError("under the name of a variable: letters, digits and '_', and no digit first")
    if isinstance(raw, int) and not isinstance(raw, bool) and -(1 << 63) <= raw < 1 << 63:
        return str(raw)
    if not isinstance(raw, str) or not is_line(raw):
        raise RefusedError("text in one line; true, false and fractions need quotes")
    return raw


@rule("any", "what JSON holds: no date, no infinity, no integer beyond 64 bits")
def json_value(_name: str, raw: object) -> object:
    """Take a whole tree as it is, if JSON and Go can hold it."""
    if isinstance(raw, Mapping):
        return {name: json_value(name, each) for name, each in raw.items()}
    if isinstance(raw, list):
        return [json_value("", each) for each in raw]
    if isinstance(raw, int) and not -(1 << 63) <= raw < 1 << 63:
        raise RefusedError
    if isinstance(raw, float) and not abs(raw) < float("inf"):  # also refuses what is not a number
        raise RefusedError
    if not isinstance(raw, str | int | float):
        raise RefusedError
    return raw


def matching(raw: object, pattern: re.Pattern[str]) -> str:
    if not isinstance(raw, str) or not pattern.fullmatch(raw):
        raise RefusedError
    return raw


def texts(raw: object) -> list[str]:
    if not isinstance(raw, list) or not all(isinstance(each, str) for each in raw):
        raise RefusedError
    return raw


def is_dns_name(name: str, most: int) -> bool:
    return len(name) <= most and all(_DNS_LABEL.fullmatch(each) for each in name.split("."))


def is_line(line: str) -> bool:
    return len(line) <= _LONGEST_TEXT and not any(ord(each) < 32 or each in _LINE_ENDS for each in line)


def is_odd(word: str) -> bool:
    """Whether something in it has no place in a word of a configuration file: controls, spaces, quotes."""
    return not (word.isascii() and word.isprintable()) or any(character in word for character in " \"'\\$`")


def _address(raw: object) -> Address | None:
    try:
        return ipaddress.ip_address(raw) if isinstance(raw, str) and "%" not in raw else None
    except ValueError:
        return None


def _dns_name(raw: object, most: int) -> str:
    if not isinstance(raw, str) or not is_dns_name(raw, most):
        raise RefusedError
    return raw
