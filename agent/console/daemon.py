"""The console at work: one cycle, from the doctor and the host to the port, and reading one back."""

import contextlib
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from agent import agent_version, log, loop
from agent.console import decode as reading
from agent.console import sections, settings
from agent.console.budget import Section
from agent.console.decode import Cycle
from agent.console.frame import Header
from agent.console.sections import compose, table
from agent.console.settings import Settings
from agent.doctor import chain, report, summary
from agent.doctor.parsing import kernel_news, published
from agent.doctor.report import Report
from agent.errors import AgentError, FailedError
from agent.host import commands, console, files, journal, status, systemd, vitals
from agent.host.commands import Finished
from agent.host.console import Port

CONSOLE = Path("/dev/console")
# A status that changes all the time gives a cycle every so many seconds, and no more.
APART = 15.0
# The links of the chain that lead to the API server.
API_SERVER = frozenset({"dns", "tcp", "tls", "authentication", "node"})

_TIMEOUT = 5.0
_JOURNAL_LINES = 300
# GetConsoleOutput gives 64 KiB; files of a few consoles one after the other are read as well.
_RAW_LIMIT = 64 << 20
_DISK = ("df", "--human-readable", "--output=file,fstype,size,avail,pcent,ipcent", "--exclude-type=squashfs", "--")
# Of ten thousand processes ps reads no command lines but those of the busiest, which it keeps in the order given; and
# of each more than a row shows, so that a secret is still known for one.
_BUSIEST = ("ps", "-e", "--sort=-pcpu", "-o", "pid=")
_PROCESSES = ("ps", "--columns=2048", "-o", "pid,ppid,user:12,stat,pcpu,pmem,rss,etimes,args", "--quick-pid")
# libproc2 takes 255 at a time.
_MOST_PROCESSES = 250
_PROCESS_COLUMNS = 160
_UNITS = ("systemctl", "status", "--all", "--lines=0", "--no-pager", "--full", "containerd", "kubelet")
_FAILED = ("systemctl", "list-units", "--failed", "--plain", "--no-pager")


@dataclass(frozen=True, slots=True)
class Doctor:
    """The doctor, and who tells the cluster of its report.

    Their modules take their time to load, so whoever makes one loads them when they are called.
    """

    examine: Callable[[], Report]
    announce: Callable[[Report], None]


def cycle(output: Path, doctor: Doctor, *, root: Path = Path("/"), apart: float = 0.0) -> None:
    """Write a cycle. The first of a boot comes twice: at once what the daemons have said, then the whole.

    Where the console is switched off, the doctor's report is published all the same. With `apart` it begins at least so
    many seconds after the last one, and takes the news: what is said from then on makes systemd start another.
    """
    # Where /run cannot be written the cycle counts more than news and numbers.
    last = status.read("console", root=root)
    if apart:
        if last is not None and _stopped_within(apart - _age(last)):
            return
        with contextlib.suppress(FailedError):
            status.take_news(root=root)
    _cycle(output, doctor, root)


def _cycle(output: Path, doctor: Doctor, root: Path) -> None:
    last = _number(status.read("console", root=root))
    if not _chosen(root).enabled:
        _consult(doctor)
        _remember(root, "off", "settings.console.enabled is false", last)
        return
    with contextlib.ExitStack() as held:
        try:
            port = _opened(output, root, last, held)
            last = last or _write_first(port, root)
        except AgentError:
            # A port that is away or stuck costs a cycle and nothing else.
            _consult(doctor)
            raise
        _write_whole(port, doctor, last + 1, root)


def _consult(doctor: Doctor) -> None:
    doctor.announce(_told(doctor.examine()))


def _opened(output: Path, root: Path, last: int, held: contextlib.ExitStack) -> Port:
    try:
        return held.enter_context(console.opened(output))
    except FailedError as error:
        _remember(root, "failed", str(error), last)
        raise


def _write_first(port: Port, root: Path) -> int:
    """Write what is known before anybody is asked, as the boot's first cycle, and return its number."""
    _write(port, root, 1, _told(_glance(root)))
    log.get("console").info("the first headline of this boot is out")
    return 1


def _write_whole(port: Port, doctor: Doctor, number: int, root: Path) -> None:
    found = _told(doctor.examine())
    try:
        _write(port, root, number, found, more=_host_sections(root, found, _chosen(root)))
    finally:
        doctor.announce(found)


def _chosen(root: Path) -> Settings:
    return settings.parse(files.read_text(files.below(root, settings.PATH)))


def _told(found: Report) -> Report:
    """Return the report, whose headline `systemctl status` of the console's unit shows from now on."""
    systemd.notify(f"STATUS={report.as_line(found)}")
    return found


def _stopped_within(seconds: float) -> bool:
    with loop.until_stopped() as stop:
        return stop.wait(seconds)


def last_words(output: Path, *, root: Path = Path("/")) -> None:
    """Write the headline once more, as the last thing on the console before the machine goes down."""
    if not _chosen(root).enabled:
        return
    number = _number(status.read("console", root=root)) + 1
    with console.opened(output) as port:
        _write(port, root, number, _glance(root))


def _glance(root: Path) -> Report:
    """Judge without asking anybody: the daemons' statuses, how the last boot ended, and the last look of this one."""
    seen = published(status.read_all(root=root), datetime.now(UTC))
    glance = chain.examine(replace(seen, kernel=kernel_news((), vitals.panic_records(root))))
    return report.recalled(glance, files.read_text(files.below(root, report.PATH)))


def _number(last: object) -> int:
    number = last.get("cycle") if isinstance(last, dict) else 0
    return number if isinstance(number, int) else 0


def _age(last: Mapping[str, object]) -> float:
    """Return how many seconds ago the last cycle was; a clock that was set meanwhile counts as long ago."""
    written = last.get("writtenAt")
    age = time.monotonic() - written if isinstance(written, float) else APART
    return age if age >= 0 else APART


def _write(port: Port, root: Path, number: int, found: Report, *, more: Sequence[Section] = ()) -> None:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    headline = report.as_line(found)
    header = Header(number, now, agent_version(), headline)
    first = (
        table("doctor", _looked_at(found) + report.as_text(found.worst_first), weight=4),
        table("statuses", summary.as_text(status.read_all(root=root)), weight=2),
    )
    try:
        port.write(compose(header, (*first, *more), port.line_end))
    except AgentError as error:
        _remember(root, "failed", f"cycle {number}: {error}", number)
        raise
    _remember(root, "ok", f"cycle {number} was written to {port.path}", number)


def _looked_at(found: Report) -> str:
    """Say when it was: last words may come minutes after the last look."""
    return f"Looked at {found.examined_at}.\n" if found.examined_at else ""


def _remember(root: Path, state: str, message: str, number: int) -> None:
    with contextlib.suppress(FailedError):
        status.write_quietly("console", state, message, root=root, cycle=number, writtenAt=time.monotonic())


def _host_sections(root: Path, found: Report, chosen: Settings) -> tuple[Section, ...]:
    """Gather the host's sections, those that explain a node that does not join first."""
    made: Mapping[str, Callable[[str], Section]] = {
        "kubelet": lambda name: sections.log(name, _said(_journal("kubelet")), weight=3),
        "containerd": lambda name: sections.log(name, _said(_journal("containerd")), weight=2),
        # What the VPC CNI's ipamd does elsewhere, the network daemon does here.
        "ipamd": lambda name: sections.log(name, _said(_journal("node-agent-network")), weight=2),
        "node-agent": lambda name: sections.log(name, _said(_journal("node-agent-*")), weight=2),
        "systemd": lambda name: table(name, _said(_run(*_FAILED)) + _said(_run(*_UNITS))),
        "networkd": lambda name: sections.log(name, _said(_journal("systemd-networkd"))),
        "interfaces": lambda name: table(name, _ip("-brief", "address") + _ip("-brief", "link")),
        "routes": lambda name: table(name, _ip("route") + _ip("-6", "route")),
        "apiserver": lambda name: table(name, report.as_rows(found.only(API_SERVER))),
        "disk": lambda name: table(name, _disk(root)),
        "memory": lambda name: table(name, files.read_text(files.below(root, "/proc/meminfo")) or ""),
        "cpu": lambda name: table(name, _processes(), weight=2, columns=_PROCESS_COLUMNS),
        "dmesg": lambda name: sections.log(name, _said(journal.kernel(_JOURNAL_LINES, timeout=_TIMEOUT)), weight=2),
    }
    return tuple(make(name) for name, make in made.items() if chosen.shows(name))


def _run(*argv: str) -> Finished:
    return commands.run(argv, timeout=_TIMEOUT)


def _processes() -> str:
    listed = _run(*_BUSIEST)
    pids = listed.text.split()
    shown = _said(_run(*_PROCESSES, ",".join(pids[:_MOST_PROCESSES]))) if pids else _said(listed)
    others = len(pids) - _MOST_PROCESSES
    return f"{shown}... and {others} processes that are less busy ...\n" if others > 0 else shown


def _disk(root: Path) -> str:
    return _said(_run(*_DISK, *sections.file_systems(status.read("instance-store", root=root))))


def _ip(*arguments: str) -> str:
    return _said(_run("ip", *arguments))


def _journal(unit: str) -> Finished:
    return journal.tail([unit], _JOURNAL_LINES, boot=0, timeout=_TIMEOUT)


def _said(finished: Finished) -> str:
    """Return what a command printed, and after it why it ended early, if it did."""
    text = finished.text.rstrip("\n")
    return "".join(f"{part}\n" for part in (text, finished.error) if part)


def decode(path: Path) -> None:
    """Print the newest whole cycle of a file (or `-`, standard input); FailedError where there is no whole one."""
    found = reading.newest(reading.console_text(_raw(path)))
    if found is None:
        raise FailedError(
            f"there is no cycle of node-agent in {path}",
            hint="of the AWS CLI take --output text or json; then wait five minutes, and fetch it again",
        )
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
    newer = (f"({found.newer})",) if found.newer else ()
    return "\n".join((title, found.headline, *newer, "", *found.lines, ""))
