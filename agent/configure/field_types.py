"""What values Go reads into a field of one type or another; each predicate says whether kubelet would take it."""

import re
from collections.abc import Callable, Mapping

from agent.configure.rules import INT32, LONGEST_SECONDS

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


def is_clean_path(raw: object) -> bool:
    return isinstance(raw, str) and re.fullmatch(r"(/(?!\.{1,2}(/|$))[!-.0-~]+)+", raw) is not None


def is_short_period(raw: object) -> bool:
    """Take a duration from 1 ms to 1 s."""
    return isinstance(raw, str) and is_duration(raw) and not raw.startswith("-") and 0.001 <= _seconds(raw) <= 1


integer = between(-INT32, INT32)


def _seconds(length: str) -> float:
    return sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(length))
