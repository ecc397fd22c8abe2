"""What becomes of the instance store: settings in, the wish that the storage unit carries out after us."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from agent.configure.schema import dotted
from agent.configure.settings import Settings
from agent.configure.shown import show
from agent.model import FileSpec, Verdict

PATH = "/etc/node-agent/instance-store.json"
_CLIENT = ("apiclient", "ephemeral-storage")
_STATE = {"Containerd": "/var/lib/containerd", "Kubelet": "/var/lib/kubelet", "PodLogs": "/var/log/pods"}
_BOTTLEROCKET_MOUNT = "/mnt/.ephemeral"
_FILE_SYSTEMS = ("xfs", "ext4")
# Where Bottlerocket lets them be bound; a folder of the system itself would hide what the node runs from.
_BINDABLE = (*_STATE.values(), "/var/lib/soci-snapshotter", "/mnt/")


@dataclass(frozen=True, slots=True)
class Wish:
    """One array below `mount`, or every disk by itself; `binds` are the folders that move onto it."""

    strategy: str
    mount: str
    file_system: str = "xfs"
    binds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """What bootstrap commands come to: the wish, and what is odd about single commands, by their names."""

    wish: Wish | None
    oddities: tuple[tuple[str, str], ...]


def files(settings: Settings) -> list[FileSpec]:
    """Return the wish, where there is one; a NodeConfig's counts before commands'."""
    wish = _wish(settings)
    if wish is None:
        return []
    body: Mapping[str, Any] = {
        "binds": list(wish.binds),
        "fileSystem": wish.file_system,
        "mount": wish.mount,
        "schemaVersion": 1,
        "strategy": wish.strategy,
    }
    return [FileSpec(PATH, (json.dumps(body, indent=2) + "\n").encode())]


def moves_kubelet(settings: Settings) -> bool:
    """Whether kubelet's folder, whose file system it takes for the node's storage, moves from /var onto the disks."""
    wish = _wish(settings)
    return wish is not None and _STATE["Kubelet"] in wish.binds


def remarks(settings: Settings) -> Iterator[Verdict]:
    for name, message in _of_commands(settings).oddities:
        yield Verdict(dotted(("bootstrap-commands", name, "commands")), "warning", message, "user data")


def _wish(settings: Settings) -> Wish | None:
    return _of_local_storage(settings) or _of_commands(settings).wish


def _of_local_storage(settings: Settings) -> Wish | None:
    wanted = settings.local_storage
    if wanted.strategy is None:
        return None
    if wanted.strategy == "Mount":
        return Wish(wanted.strategy, wanted.mount_path)
    binds = tuple(folder for name, folder in _STATE.items() if name not in wanted.disabled_mounts)
    return Wish(wanted.strategy, f"{wanted.mount_path}/0", binds=binds)


def _of_commands(settings: Settings) -> Request:
    """Read the commands in the order of their names, as Bottlerocket runs them."""
    wish: Wish | None = None
    oddities = []
    for name, table in sorted(settings.bootstrap_commands.items()):
        for command in table.commands if table.mode != "off" else ():
            if command[:2] != _CLIENT or len(command) < 3:
                oddities.append((name, f"{show(' '.join(command))} is not run: only apiclient ephemeral-storage is"))
                continue
            read = _initialised(command[3:]) if command[2] == "init" else _bound(wish, command)
            if isinstance(read, str):
                oddities.append((name, read))
            else:
                wish = read
    return Request(wish, tuple(oddities))


def _initialised(arguments: Sequence[str]) -> Wish | str:
    """Read what follows `init`: `-t`, `--filesystem`; disks are not chosen by name."""
    file_system = _FILE_SYSTEMS[0]
    for option, value in pairwise(arguments):
        if option in {"-t", "--filesystem"}:
            file_system = value
    if file_system not in _FILE_SYSTEMS:
        return f"the file system {file_system!a} is refused: must be one of {', '.join(_FILE_SYSTEMS)}"
    return Wish("RAID0", _BOTTLEROCKET_MOUNT, file_system)


def _bound(wish: Wish | None, command: Sequence[str]) -> Wish | str:
    """Read what follows `bind`: `--dirs` and folders, else the usual three."""
    if command[2] != "bind":
        return f"apiclient ephemeral-storage {command[2]!a} is not known: init and bind are"
    if wish is None:
        return "bind without an init before it: there is nothing to bind to"
    folders = [word.rstrip("/") for word in command[3:] if not word.startswith("-")] or list(_STATE.values())
    strange = [folder for folder in folders if not _is_bindable(folder)]
    if strange:
        return f"{', '.join(strange)} cannot be bound: must be one of {', '.join(_BINDABLE)}"
    return Wish(wish.strategy, wish.mount, wish.file_system, tuple(dict.fromkeys([*wish.binds, *folders])))


def _is_bindable(folder: str) -> bool:
    below = folder.startswith("/mnt/") and all(part not in {"", ".", ".."} for part in folder.split("/")[1:])
    return folder in _BINDABLE or below
