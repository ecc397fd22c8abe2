"""The sections of a cycle, each under a header line as EKS's own console diagnostics write it."""

from collections.abc import Mapping, Sequence

from agent.console import budget
from agent.console.budget import Section
from agent.console.frame import TITLE, Header, encode, markers
from agent.console.text import console_lines

# As much of a text is looked at: several times what a cycle can show, so that a secret that begins before the part
# shown is still known for one.
_WINDOW = 256 << 10
_NOTHING = "(nothing)"
# Where the image is, and where kubelet, containerd and the agent write.
_FILE_SYSTEMS = ("/", "/var", "/run")


def table(name: str, text: str, weight: int = 1, *, columns: int | None = None) -> Section:
    """Make a section whose first lines matter most; with `columns` a row is cut there instead of wrapped."""
    lines = console_lines(text[:_WINDOW] or _NOTHING, columns)
    return Section(name, (*lines, *_notice(text, "head")), "head", weight)


def log(name: str, text: str, weight: int = 1) -> Section:
    """Make a section whose last lines matter most."""
    lines = console_lines(text[-_WINDOW:] or _NOTHING)
    return Section(name, (*_notice(text, "tail"), *lines), "tail", weight)


def _notice(text: str, keep: str) -> list[str]:
    return [budget.NOTICES[keep]] if len(text) > _WINDOW else []


def file_systems(instance_store: Mapping[str, object] | None) -> tuple[str, ...]:
    """Return the places whose file systems matter, of the instance store by its daemon's status.

    Any other may be a pod's, and one whose server is dead would keep whoever asks for its figures.
    """
    told = instance_store or {}
    mount, disks = told.get("mount"), told.get("disks")
    if not isinstance(mount, str) or not isinstance(disks, list) or not disks:
        return _FILE_SYSTEMS
    own = [f"{mount}/{number}" for number in range(len(disks))] if told.get("strategy") == "Mount" else [mount]
    return (*_FILE_SYSTEMS, *own)


def compose(header: Header, sections: Sequence[Section], line_end: int, total: int = budget.CYCLE_BYTES) -> str:
    """Return the text of a whole cycle of at most `total` bytes where a line end takes `line_end` bytes."""
    titles = [f"{TITLE}{header.time}|{section.name}" for section in sections]
    # The empty line before the first marker takes a line end too.
    frame = budget.size(["", *markers(header, ()), *titles], line_end)
    wanted = [budget.size(section.lines, line_end) for section in sections]
    limits = budget.share(wanted, [section.weight for section in sections], total - frame)
    lines: list[str] = []
    for title, section, limit in zip(titles, sections, limits, strict=True):
        lines += (title, *budget.cut(section, limit, line_end))
    return encode(header, lines)
