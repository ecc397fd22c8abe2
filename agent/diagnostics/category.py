"""What the lines of the catalogue have in common: how the outputs of a category are taken, and their usual limits."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from agent.diagnostics import digests
from agent.outputs import SECRETS_CUT, Commands, Digest, File, Keep, Output, PerItem, Source, Step, Tree

_TREE_SECONDS = 900.0
# journalctl begins with the oldest lines. Where it takes too long (our reads are the node's last), the newest are
# printed in the time that is kept for them: some 10 MB.
_JOURNAL_SECONDS = 150.0
_NEWEST_SECONDS = 30.0
_NEWEST_LINES = "--lines=50000"
_UNIT_LOGGED = "such a unit has logged"


@dataclass(frozen=True, slots=True)
class Category:
    """Makes outputs of one category."""

    name: str

    def run(self, path: str, *commands: str, accepts: Iterable[int] = (0,), when: str = "") -> Output:
        """Take what commands print; their words hold no spaces, and no shell sees them."""
        argvs = tuple(tuple(command.split()) for command in commands)
        return self.take(path, Commands(argvs, accepts=frozenset(accepts)), when)

    def rules(self, path: str, command: str) -> Output:
        """Take the rules that iptables lists, and their number below."""
        return self.take(path, Commands((tuple(command.split()),), trailer=digests.RuleCount))

    def journal(self, path: str, *arguments: str, accepts: Iterable[int] = (0,), when: str = _UNIT_LOGGED) -> Output:
        """Take what journalctl prints; the newest lines stay."""
        argv = ("journalctl", "--quiet", "--no-pager", "--output=short-iso-precise", *arguments)
        # Before systemd 254 a number of lines is counted from --since on.
        late = (*(word for word in argv if not word.startswith("--since=")), _NEWEST_LINES)
        source = Commands((argv,), timeout=_JOURNAL_SECONDS, accepts=frozenset(accepts), late=late)
        return Output(self.name, path, source, Keep.TAIL, seconds=_JOURNAL_SECONDS + _NEWEST_SECONDS, when=when)

    def each(
        self, path: str, listing: str | File, plan: Callable[[str], Sequence[Step]], what: str, *, when: str = ""
    ) -> Output:
        """Take what commands print for each of what is listed; not every item has what they ask for."""
        lists = listing if isinstance(listing, File) else Commands((tuple(listing.split()),))
        return self.take(path, PerItem(what, lists, plan, accepts=frozenset(range(128))), when)

    def log(self, path: str, *files: str) -> Output:
        """Take a log file; its newest lines stay."""
        return Output(self.name, path, File(files), Keep.TAIL)

    def tree(self, path: str, pattern: str, when: str = "") -> Output:
        """Take all files below folders; of each the newest lines stay."""
        return Output(self.name, path, Tree(pattern), Keep.TAIL, seconds=_TREE_SECONDS, when=when)

    def pods(self, *prefixes: str) -> tuple[Output, ...]:
        return tuple(self.tree("var_log/", f"/var/log/pods/kube-system_{prefix}*") for prefix in prefixes)

    def file(self, path: str, *files: str) -> Output:
        return self.take(path, File(files))

    def digest(self, path: str, render: digests.Render, *patterns: str) -> Output:
        return self.take(path, Digest(patterns, render))

    def take(self, path: str, source: Source, when: str = "", redaction: str = SECRETS_CUT) -> Output:
        return Output(self.name, path, source, when=when, redaction=redaction)
