"""Tables made from many small files of /proc and /sys, under the peer's names."""

import json
from collections.abc import Callable, Mapping
from typing import TypeAlias

Render: TypeAlias = Callable[[Mapping[str, str]], str]

# What the doctor's chain asks on its way to the API server.
_API_CHECKS = frozenset({"dns", "tcp", "tls", "authentication", "node"})
# Fields of /proc/PID/stat, counted from the state, the first after the name (proc_pid_stat(5): state is field 3).
_BLOCK_IO_DELAY = 42 - 3


def joined(files: Mapping[str, str]) -> str:
    """Return the files one after another."""
    return "".join(files.values())


def block_io_delays(stats: Mapping[str, str]) -> str:
    """Return the processes that waited for block devices, longest first, from /proc/PID/stat."""
    rows = []
    for text in stats.values():
        # A process chooses its name: spaces and parentheses in it must not shift the fields.
        start, _, after = text.rpartition(")")
        number, _, name = start.partition("(")
        fields = after.split()
        delay = int(fields[_BLOCK_IO_DELAY]) if len(fields) > _BLOCK_IO_DELAY else 0
        if delay:
            rows.append((delay, number.strip(), name))
    lines = [f"{number:>7} {name:<16} {delay}" for delay, number, name in sorted(rows, reverse=True)]
    return "\n".join(["    PID Name             Block IO Delay (centiseconds)", *lines, ""])


def throttled_cgroups(stats: Mapping[str, str]) -> str:
    """Return the control groups that ran into their CPU limit, most often first, from cpu.stat."""
    rows = []
    for path, text in stats.items():
        values = {name: int(value) for name, _, value in (line.partition(" ") for line in text.splitlines())}
        if values.get("nr_throttled"):
            rows.append((values["nr_throttled"], values.get("throttled_usec", 0), path.removesuffix("/cpu.stat")))
    if not rows:
        return "No CPU Throttling Found\n"
    lines = [f"{count:>12} {micros:>16} {path}" for count, micros, path in sorted(rows, reverse=True)]
    return "\n".join(["nr_throttled   throttled_usec cgroup", *lines, ""])


def memory_of_cgroups(values: Mapping[str, str]) -> str:
    """Return the memory of each control group and its OOM kills, those with most kills first, from memory.*."""
    groups: dict[str, dict[str, str]] = {}
    for path, text in values.items():
        group, _, name = path.rpartition("/memory.")
        groups.setdefault(group, {})[name] = text.strip()
    rows = [(_oom_kills(found.get("events", "")), group, found) for group, found in groups.items()]
    lines = [
        f"{kills:>8} {_cell(found, 'current')} {_cell(found, 'peak')} {_cell(found, 'max')} {group}"
        for kills, group, found in sorted(rows, key=lambda row: (-row[0], row[1]))
    ]
    return "\n".join(["oom_kill          current             peak              max cgroup", *lines, ""])


def api_server(doctor: Mapping[str, str]) -> str:
    """Return what the doctor saw of the API server when it looked last."""
    lines = []
    for path, text in doctor.items():
        lines.append(f"as the doctor saw it ({path})")
        lines += [_check(check) for check in _checks(text) if check.get("id") in _API_CHECKS]
    return "\n".join([*lines, ""])


class RuleCount:
    """Counts the rules that iptables lists, and says their number as the peer does."""

    def __init__(self) -> None:
        self._count = 0
        self._line = b""

    def feed(self, chunk: bytes) -> None:
        *lines, self._line = (self._line + chunk).split(b"\n")
        self._count += sum(map(self._is_rule, lines))

    def text(self) -> bytes:
        count = self._count + self._is_rule(self._line)
        return b"=======\nTotal Number of Rules: %d\n" % count

    def _is_rule(self, line: bytes) -> bool:
        words = line.split(maxsplit=1)
        return bool(words) and words[0] not in {b"Chain", b"num", b"pkts"}


def _oom_kills(events: str) -> int:
    found = dict(line.partition(" ")[::2] for line in events.splitlines())
    return int(found.get("oom_kill", 0))


def _cell(found: Mapping[str, str], name: str) -> str:
    return f"{found.get(name, '-'):>16}"


def _checks(text: str) -> list[Mapping[str, object]]:
    try:
        checks = json.loads(text)["checks"]
    except (ValueError, KeyError, TypeError):
        return []
    found = checks if isinstance(checks, list) else []
    return [each for each in found if isinstance(each, dict) and isinstance(each.get("id"), str)]


def _check(check: Mapping[str, object]) -> str:
    cause = f" ({check['cause']})" if check.get("cause") else ""
    return f"{check.get('id')}: {check.get('status')}: {check.get('evidence')}{cause}"
