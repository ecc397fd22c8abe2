"""Command lines that run a program of the tools root."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from tools import trees

SCRIPT = Path(__file__).with_name("enter.sh")


def enter_command(argv: Sequence[str], binds: Iterable[Path] = (), *, tree: Path | None = None) -> list[str]:
    """Return the command line that runs argv in the tools root, or another tree, and becomes it by exec.

    It needs root. Of the machine's files it sees those below binds, at their own paths; it begins in the
    caller's working directory if that is one of them. A network namespace is chosen around it, for example
    `["ip", "netns", "exec", name, *enter_command(…)]`.
    """
    entry = (tree or trees.root()).parent
    inside = ["sh", str(SCRIPT), str(entry), *(str(path.absolute()) for path in binds), "--", *argv]
    return ["unshare", "--mount", "--propagation", "private", *inside]
