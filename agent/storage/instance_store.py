"""Decides what becomes of the disks of the instance store: one array or each by itself, and what moves onto them."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent.errors import SettingsError
from agent.model import Disk, FileSpec
from agent.storage.plan import OPTIONS, Probed, Signature

WISH = "/etc/node-agent/instance-store.json"
_UNITS = "/run/systemd/system"
# Of the array and of its file system, for which XFS takes 12 characters.
LABEL = "node-local"
ARRAY = f"/dev/md/{LABEL}"
_MODEL = "Amazon EC2 NVMe Instance Storage"
# Its serial number begins so; an EBS volume's with `vol`.
_SERIAL = "AWS"
_ODD = re.compile(r"^\.|[^A-Za-z0-9:_./]")
_FEWEST = {"RAID0": 1, "RAID10": 4, "Mount": 1}


@dataclass(frozen=True, slots=True)
class Wish:
    """What configure rendered: how disks are used, where they are mounted, and what is bound onto the first."""

    strategy: str
    mount: str
    file_system: str
    binds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Target:
    """What carries one file system: a disk, or an array of several, which is made where it is not there yet."""

    device: str
    members: tuple[Disk, ...]
    is_there: bool = True


@dataclass(frozen=True, slots=True)
class Layout:
    """What to make and mount; `problem` says why there is nothing, or not everything that was wished."""

    targets: tuple[Target, ...]
    problem: str = ""


def parse(text: str) -> Wish:
    try:
        body = json.loads(text)
        return Wish(body["strategy"], body["mount"], body["fileSystem"], tuple(body["binds"]))
    except (ValueError, LookupError, TypeError) as error:
        raise SettingsError(f"{WISH} is not as configure writes it", hint="run node-agent configure") from error


def disks(found: Sequence[Disk]) -> list[Disk]:
    """Return the instance store's disks, whether used already or not."""
    return [disk for disk in found if disk.model == _MODEL or disk.serial.startswith(_SERIAL)]


def layout(wish: Wish, probed: Sequence[Probed]) -> Layout:
    """Choose the targets; `probed` tells what is on every disk of the instance store.

    A disk that carries something else stays as it is: whoever made it may come back for it.
    """
    foreign = [f"{disk.name} carries {found.kind}" for disk, found in probed if found and not _is_ours(found)]
    usable = [(disk, found) for disk, found in probed if found is None or _is_ours(found)]
    problem = f"{', '.join(foreign)}, which is not ours and stays untouched" if foreign else ""
    if len(usable) < _FEWEST[wish.strategy]:
        few = f"{wish.strategy} needs {_FEWEST[wish.strategy]} disks of the instance store, and there are {len(usable)}"
        return Layout((), "; ".join(filter(None, (few, problem))))
    if wish.strategy == "Mount" or len(usable) == 1:
        return Layout(tuple(Target(f"/dev/{disk.name}", (disk,)) for disk, _ in usable), problem)
    members = tuple(disk for disk, _ in usable)
    return Layout((Target(ARRAY, members, all(found is not None for _, found in usable)),), problem)


def _is_ours(found: Signature) -> bool:
    # mdadm writes the host's name before an array's, where it knows one.
    return found.label.rpartition(":")[2] == LABEL


def mount_points(wish: Wish, targets: Sequence[Target]) -> list[tuple[Target, str]]:
    """Return where each target is mounted: one where it was wished, several numbered below it."""
    if wish.strategy == "Mount":
        return [(target, f"{wish.mount}/{number}") for number, target in enumerate(targets)]
    return [(target, wish.mount) for target in targets]


def units(wish: Wish, mounted: Sequence[tuple[Target, str]]) -> list[FileSpec]:
    """Return the units that mount the targets, and those that bind folders onto the first of them.

    A folder has its whole path there: two may end alike.
    """
    mounts = [_unit(where, target.device, wish.file_system) for target, where in mounted]
    first = mounted[0][1]
    return mounts + [_unit(folder, f"{first}{folder}", "none") for folder in wish.binds]


def unit_name(where: str) -> str:
    """Return the name of the unit of a mount point, as systemd-escape --path --suffix=mount does."""
    plain = _ODD.sub(lambda match: f"\\x{ord(match[0]):02x}", where.strip("/"))
    return plain.replace("/", "-") + ".mount"


def _unit(where: str, what: str, kind: str) -> FileSpec:
    """Return a mount unit; the kind `none` binds a folder, which systemd makes where it is not there."""
    is_bind = kind == "none"
    lines = [
        "[Unit]",
        f"Description=Instance store on {where}",
        *([f"RequiresMountsFor={what}"] if is_bind else []),
        "Before=containerd.service kubelet.service",
        "",
        "[Mount]",
        f"What={what}",
        f"Where={where}",
        f"Type={kind}",
        f"Options={'bind' if is_bind else OPTIONS}",
        "DirectoryMode=0755",
        "",
    ]
    return FileSpec(f"{_UNITS}/{unit_name(where)}", "\n".join(lines).encode())


def status(wish: Wish, chosen: Layout) -> Mapping[str, object]:
    return {
        "strategy": wish.strategy,
        "mount": wish.mount,
        "binds": list(wish.binds),
        "disks": [disk.serial for target in chosen.targets for disk in target.members],
    }
