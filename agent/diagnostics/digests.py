"""Tables made from many small files of /proc and /sys, under the peer's names."""

from collections.abc import Mapping

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
