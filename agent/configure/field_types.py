"""What values Go reads into a field of one type or another; each predicate says whether kubelet would take it."""

import re
from collections.abc import Callable, Mapping

from agent.configure import kubernetes_rules, rules
from agent.configure.rules import INT32, LONGEST_SECONDS
from agent.configure.schema import RefusedError

_ENFORCED = (
    *("pods", "kube-reserved", "kube-reserved-compressible", "system-reserved", "system-reserved-compressible"),
)
Takes = Callable[[object], bool]
# What Go's time.ParseDuration takes.
_DURATION = re.compile(r"[-+]?(0|((\d+\.?\d*|\.\d+)(ns|us|\u00b5s|\u03bcs|ms|s|m|h))+)", re.ASCII)
_PART = re.compile(r"([0-9.]+)(ns|us|\u00b5s|\u03bcs|ms|s|m|h)")
_SECONDS: Mapping[str, float] = {
    "ns": 1e-9, "us": 1e-6, "\u00b5s": 1e-6, "\u03bcs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600,
}  # fmt: skip


def is_text(raw: object) -> bool:
    return isinstance(raw, str)


def is_table(raw: object) -> bool:
    return isinstance(raw, dict)


def is_boolean(raw: object) -> bool:
    return isinstance(raw, bool)


def is_duration(raw: object) -> bool:
    return isinstance(raw, str) and _DURATION.fullmatch(raw) is not None and _seconds(raw) <= LONGEST_SECONDS


def is_frequency(raw: object) -> bool:
    """Take a duration, or nanoseconds (k8s.io/component-base logs/api/v1, TimeOrMetaDuration)."""
    return is_duration(raw) or (isinstance(raw, int) and not isinstance(raw, bool) and 0 <= raw < 1 << 63)


def between(least: int, most: int) -> Takes:
    return lambda raw: isinstance(raw, int) and not isinstance(raw, bool) and least <= raw <= most


def one_of(*names: str) -> Takes:
    return lambda raw: isinstance(raw, str) and raw in names


def list_of(one: Takes) -> Takes:
    return lambda raw: isinstance(raw, list) and all(map(one, raw))


def table_of(one: Takes) -> Takes:
    return lambda raw: isinstance(raw, dict) and all(map(one, raw.values()))


def is_share(raw: object) -> bool:
    return isinstance(raw, int | float) and not isinstance(raw, bool) and 0 < raw <= 1


def duration_between(least: float, most: float) -> Takes:
    return lambda raw: (
        isinstance(raw, str) and is_duration(raw) and not raw.startswith("-") and least <= _seconds(raw) <= most
    )


def is_address(raw: object) -> bool:
    return accepts(rules.address, raw)


def is_curve(raw: object) -> bool:
    """Take the numbers that crypto/tls of Go has names for."""
    return isinstance(raw, int) and raw in {23, 24, 25, 29, 4588}


def is_size(raw: object) -> bool:
    return accepts(kubernetes_rules.size, raw)


def is_reclaim(raw: object) -> bool:
    """Take quantities and percentages by the signals of eviction."""
    return isinstance(raw, dict) and all(accepts(kubernetes_rules.eviction, name, each) for name, each in raw.items())


def is_enforcement(raw: object) -> bool:
    """Take what reservations may be enforced for, each once, `none` by itself, and none with and without its suffix."""
    if not list_of(one_of(*_ENFORCED, "none"))(raw) or not isinstance(raw, list):
        return False
    plain = [name.removesuffix("-compressible") for name in raw]
    return len(set(plain)) == len(plain) and ("none" not in raw or len(raw) == 1)


def record_of(**fields: Takes) -> Takes:
    """Take tables that have no other type in a field than the one named; a field may be missing."""
    return lambda raw: isinstance(raw, dict) and all(takes(raw[name]) for name, takes in fields.items() if name in raw)


def accepts(rule: Callable[..., object], *values: object) -> bool:
    try:
        rule(*values)
    except RefusedError:
        return False
    return True


def is_clean_path(raw: object) -> bool:
    return isinstance(raw, str) and re.fullmatch(r"(/(?!\.{1,2}(/|$))[!-.0-~]+)+", raw) is not None


integer = between(-INT32, INT32)


def _seconds(length: str) -> float:
    return sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(length))
