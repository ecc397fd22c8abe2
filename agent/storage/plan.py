"""Decides what becomes of the disks that are there: which one is the data volume, and what to do with it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from agent.model import Disk, FileSpec

LABEL = "node-data"
MOUNT_POINT = "/var"
MOUNT_UNIT = "var.mount"
GROW_UNIT = "systemd-growfs@var.service"
_NVME = re.compile(r"nvme\d+n\d+")
# An EBS volume's NVMe serial number is its ID without the hyphen.
_EBS_SERIAL = "vol"
# The place that Auto Mode, Karpenter and Bottlerocket give the data volume, /dev/xvdb or /dev/sdb.
_DATA_NAME = "xvdb"
# The EBS CSI driver attaches pods' volumes under two letters; such a disk is never ours.
_POD_NAME = re.compile(r"xvd[a-z]{2}")
_FILE_SYSTEMS = frozenset({"ext4", "xfs"})
# As Bottlerocket mounts its data volume: containers' overlays have mount flags of their own.
OPTIONS = "nodev,noatime,nosuid"
_ACTION = "attach an empty EBS volume as second disk and reboot"


@dataclass(frozen=True, slots=True)
class Signature:
    """What blkid recognises on a disk; `size` is the file system's, where blkid tells it."""

    kind: str
    label: str = ""
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Format:
    """The disk is empty: it gets a file system."""

    disk: Disk


@dataclass(frozen=True, slots=True)
class Mount:
    """The disk is ours already; `grow` where its file system ends before the disk does."""

    disk: Disk
    file_system: str
    grow: bool


@dataclass(frozen=True, slots=True)
class Memory:
    """There is no disk to use, so what is written goes to memory and is lost at a reboot."""

    reason: str
    action: str = _ACTION


Plan: TypeAlias = Format | Mount | Memory
# A candidate, and what is on it; None means nothing.
Probed: TypeAlias = tuple[Disk, Signature | None]


@dataclass(frozen=True, slots=True)
class Seen:
    """The candidates, and whether any disk of the machine tells its device name: EC2's all do, emulated ones do not."""

    probed: tuple[Probed, ...] = ()
    are_named: bool = False


def candidates(disks: Sequence[Disk]) -> list[Disk]:
    """Return the disks that may be the data volume: whole EBS volumes that nothing uses."""
    return [
        disk
        for disk in disks
        if _NVME.fullmatch(disk.name) and disk.serial.startswith(_EBS_SERIAL) and not disk.in_use and disk.size > 0
    ]


def decide(seen: Seen) -> Plan:
    """Choose among candidates: ours first, then the empty one, of each the one that is called as data volumes are.

    A volume of a pod may be attached as well, empty or with any label: whoever owns it writes that.
    """
    ours = [(disk, found) for disk, found in seen.probed if found and _is_ours(disk, found)]
    if ours:
        disk, found = min(ours, key=lambda each: _distance(each[0], seen))
        return Mount(disk, found.kind, grow=found.size is None or found.size < disk.size)
    empty = [disk for disk, found in seen.probed if found is None and _may_be_formatted(disk, seen)]
    if empty:
        return Format(min(empty, key=lambda disk: _distance(disk, seen)))
    if not seen.probed:
        return Memory("there is no data volume")
    return Memory(
        f"{', '.join(_refusal(disk, found) for disk, found in seen.probed)}, which is not ours and stays untouched"
    )


def is_certain(seen: Seen) -> bool:
    """Whether a disk that comes later could not be a better choice, as nothing speaks against the chosen one's name."""
    chosen = decide(seen)
    return not isinstance(chosen, Memory) and _distance(chosen.disk, seen) == 0


def _is_ours(disk: Disk, found: Signature) -> bool:
    return found.label == LABEL and found.kind in _FILE_SYSTEMS and not _POD_NAME.fullmatch(disk.device_name)


def _may_be_formatted(disk: Disk, seen: Seen) -> bool:
    """Whether an empty disk is no pod's; one that does not tell its name where others do may well be."""
    return not _POD_NAME.fullmatch(disk.device_name) if disk.device_name else not seen.are_named


def _distance(disk: Disk, seen: Seen) -> int:
    """Return how far a disk's name is from the data volume's; where no disk tells a name, each may be it."""
    nearest = _DATA_NAME if seen.are_named else ""
    return 0 if disk.device_name == nearest else 1


def _refusal(disk: Disk, found: Signature | None) -> str:
    named = f"{disk.serial}, {disk.device_name}" if disk.device_name else disk.serial
    if _POD_NAME.fullmatch(disk.device_name):
        reason = "is named as a pod's volume"
    else:
        reason = f"carries {found.kind}" if found else "tells no device name, as other disks do"
    return f"{disk.name} ({named}) {reason}"


def mount_unit(device: str | None, file_system: str, *, check: bool = False) -> FileSpec:
    """Return the mount unit; without a device it is memory. With `check` the file system is checked first."""
    what = device or "tmpfs"
    options = OPTIONS if device else f"{OPTIONS},mode=0755"
    unit = ["[Unit]", "Description=Data volume", "DefaultDependencies=no"]
    if device and check:
        checker = f"systemd-fsck@{device.lstrip('/').replace('/', '-')}.service"
        unit += [f"Wants={checker}", f"After={checker}"]
    unit += ["Conflicts=umount.target", "Before=local-fs.target umount.target"]
    mount = ["[Mount]", f"What={what}", f"Where={MOUNT_POINT}", f"Type={file_system}", f"Options={options}"]
    text = "\n".join([*unit, "", *mount, ""])
    return FileSpec(f"/run/systemd/system/{MOUNT_UNIT}", text.encode())
