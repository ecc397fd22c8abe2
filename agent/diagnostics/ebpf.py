"""The network policy agent's eBPF data: which build of its tool fits this node, and what that is asked.

A build reads the maps of one IP family. The VPC CNI installs the one that fits; an image may have both, and then the
agent says by a link which one is the node's. The link only chooses: what else it leads to is never run.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeAlias

from agent.outputs import Builds, Commands, PerItem, Step, Withheld

_NAMES = ("aws-eks-na-cli", "aws-eks-na-cli-v6")
_FOLDERS = ("/usr/bin", "/opt/cni/bin")
_LINK = "/run/aws-network-policy-agent/aws-eks-na-cli"

_Ask: TypeAlias = Callable[[str], Commands | PerItem]


def loaded() -> Builds:
    """Take what is loaded: programs and maps, by interface."""
    return _of_the_fitting("ebpf loaded-ebpfdata", _loaded)


def maps() -> Builds:
    """Take what is in each map that is loaded."""
    return _of_the_fitting("ebpf dump-maps {each}", _maps)


def fitting(ask: _Ask, there: Sequence[str], target: str) -> Commands | PerItem | Withheld:
    """Return what to ask of the tool that fits, or why none is asked."""
    # Of two copies of one build the first counts.
    builds = {_name(path): path for path in reversed(there)}
    named = target if target in there else builds.get(_name(target))
    if named is not None:
        return ask(named)
    if not builds:
        return Withheld(f"{' and '.join(_NAMES)} are neither in {' nor in '.join(_FOLDERS)}")
    if len(builds) == 1:
        return ask(*builds.values())
    return Withheld(
        f"the node's IP family is unknown: it has {' and '.join(sorted(builds))}, and {_LINK}, which says whose maps "
        "there are, leads to neither; see whether aws-network-policy-agent runs"
    )


def dumps(tool: str, loaded: str) -> list[Step]:
    """Return a dump for each map that the tool lists as `Map ID: 12`."""
    numbers = [line.rpartition(":")[2].strip() for line in loaded.splitlines() if "map id" in line.lower()]
    unique = dict.fromkeys(number for number in numbers if number.isdigit())
    return [Step((tool, "ebpf", "dump-maps", number), title=f"Map ID {number}") for number in unique]


def _of_the_fitting(words: str, ask: _Ask) -> Builds:
    paths = tuple(f"{folder}/{name}" for name in _NAMES for folder in _FOLDERS)
    return Builds(f"{' or '.join(_NAMES)} {words}", paths, _LINK, partial(fitting, ask))


def _loaded(tool: str) -> Commands:
    return Commands(((tool, "ebpf", "loaded-ebpfdata"),))


def _maps(tool: str) -> PerItem:
    # A map may be gone before it is dumped.
    return PerItem(
        f"{tool} ebpf dump-maps {{each}}", _loaded(tool), partial(dumps, tool), accepts=frozenset(range(128))
    )


def _name(path: str) -> str:
    return path.rpartition("/")[2]
