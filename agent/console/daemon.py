"""The console at work: one cycle, from the doctor and the host to the port, and reading one back."""

import contextlib
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from agent import agent_version
from agent.console import decode as reading
from agent.console.budget import Section
from agent.console.decode import Cycle
from agent.console.frame import Header
from agent.console.sections import compose, log, table
from agent.doctor import chain, report, summary
from agent.doctor.parsing import published
from agent.doctor.report import Report
from agent.errors import AgentError, FailedError
from agent.host import commands, console, files, journal, status
from agent.host.commands import Finished
from agent.host.console import Port

_TIMEOUT = 5.0
_JOURNAL_LINES = 300
# GetConsoleOutput gives 64 KiB; files of a few consoles one after the other are read as well.
_RAW_LIMIT = 64 << 20
_DISK = ("df", "--human-readable", "--output=target,fstype,size,avail,pcent,ipcent", "--exclude-type=squashfs")


def cycle(output: Path, examine: Callable[[], Report], *, root: Path = Path("/")) -> None:
    """Write a cycle. The first of a boot comes twice: at once what the daemons have said, then the whole.

    `examine` is the doctor. Its modules take their time to load, so whoever passes it loads them when it is called.
    """
    last = status.read("console", root=root)
    number = _number(last)
    with console.opened(output) as port:
        if last is None:
            number += 1
            _write(port, root, number, _glance(root))
        number += 1
        found = examine()
        _write(port, root, number, found, sections=_host_sections(root))


def _glance(root: Path) -> Report:
    return chain.examine(published(status.read_all(root=root), datetime.now(UTC)))


def _number(last: object) -> int:
    number = last.get("cycle") if isinstance(last, dict) else 0
    return number if isinstance(number, int) else 0


def _write(port: Port, root: Path, number: int, found: Report, *, sections: Sequence[Section] = ()) -> None:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    headline = report.as_line(found)
    header = Header(number, now, agent_version(), headline)
    first = (
        table("doctor", report.as_text(found), weight=4),
        table("statuses", summary.as_text(status.read_all(root=root)), weight=2),
    )
    try:
        port.write(compose(header, (*first, *sections), port.line_end))
    except AgentError as error:
        _remember(root, "failed", f"cycle {number}: {error}", number)
        raise
    _remember(root, "ok", f"cycle {number} was written to {port.path}", number)


def _remember(root: Path, state: str, message: str, number: int) -> None:
    # Where /run cannot be written the cycle counts more than its number.
    with contextlib.suppress(FailedError):
        status.write("console", state, message, root=root, cycle=number)


def _host_sections(root: Path) -> tuple[Section, ...]:
    addresses = _said(_run("ip", "-brief", "address")) + _said(_run("ip", "-brief", "link"))
    routes = _said(_run("ip", "route")) + _said(_run("ip", "-6", "route"))
    return (
        table("interfaces", addresses),
        table("routes", routes),
        table("memory", files.read_text(files.below(root, "/proc/meminfo")) or ""),
        table("disk", _said(_run(*_DISK))),
        table("systemd", _said(_run("systemctl", "list-units", "--failed", "--plain", "--no-pager"))),
        log("kubelet", _said(_journal("kubelet")), weight=3),
        log("containerd", _said(_journal("containerd")), weight=2),
        log("node-agent", _said(_journal("node-agent-*")), weight=2),
        log("dmesg", _said(journal.kernel(_JOURNAL_LINES, timeout=_TIMEOUT)), weight=2),
    )


def _run(*argv: str) -> Finished:
    return commands.run(argv, timeout=_TIMEOUT)


def _journal(unit: str) -> Finished:
    return journal.tail([unit], _JOURNAL_LINES, boot=0, timeout=_TIMEOUT)


def _said(finished: Finished) -> str:
    """Return what a command printed, and after it why it ended early, if it did."""
    text = finished.text.rstrip("\n")
    return "".join(f"{part}\n" for part in (text, finished.error) if part)


def decode(path: Path) -> None:
    """Print the newest whole cycle of a file (or `-`, standard input); FailedError where there is no whole one."""
    found = reading.newest(_raw(path))
    if found is None:
        raise FailedError(f"there is no cycle of node-agent in {path}", hint="wait five minutes, and fetch it again")
    sys.stdout.write(_readable(found))
    sys.stdout.flush()
    if found.missing:
        raise FailedError(
            f"cycle {found.number} is not whole: {found.missing}", hint="wait for the next, in five minutes"
        )


def _raw(path: Path) -> bytes:
    if str(path) == "-":
        return sys.stdin.buffer.read(_RAW_LIMIT)
    try:
        with path.open("rb") as file:
            return file.read(_RAW_LIMIT)
    except OSError as error:
        raise FailedError(
            f"cannot read {path}: {error.strerror}", hint="name a file, or - for standard input"
        ) from error


def _readable(found: Cycle) -> str:
    title = f"cycle {found.number} of {found.time}, node-agent {found.version}"
    return "\n".join((title, found.headline, "", *found.lines, ""))
