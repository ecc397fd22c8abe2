"""The journal: the newest lines of units, through journalctl."""

from collections.abc import Sequence

from agent.host import commands

_TIMEOUT = 30.0
# A line of the journal has at most 48 KiB (LineMax=); journalctl prints the oldest first, and the newest must stay.
_LIMIT = 1 << 20


def tail(
    units: Sequence[str], lines: int, *, since: str | None = None, boot: int | None = None, timeout: float = _TIMEOUT
) -> commands.Finished:
    """Return the newest `lines` of the units (patterns such as `node-agent-*` too; none: of the whole journal).

    Of long lines there are fewer: the result is `truncated` where the oldest are left out. `since` is a time as
    journalctl takes it (`-10min`), `boot` counts back from the running one (0).
    """
    argv = ["journalctl", "--quiet", "--no-pager", "--output=short-iso-precise", f"--lines={lines}"]
    argv += [f"--unit={unit}" for unit in units]
    argv += [] if since is None else [f"--since={since}"]
    argv += [] if boot is None else [f"--boot={boot}"]
    return commands.run_for_tail(argv, timeout=timeout, limit=_LIMIT)


def kernel(lines: int, *, boot: int = 0, timeout: float = _TIMEOUT) -> commands.Finished:
    """Return the newest `lines` of the kernel's messages, each with its seconds since boot."""
    argv = ["journalctl", "--quiet", "--no-pager", "--dmesg", "--output=short-monotonic"]
    return commands.run_for_tail([*argv, f"--boot={boot}", f"--lines={lines}"], timeout=timeout, limit=_LIMIT)
