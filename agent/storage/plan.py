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
# The EBS CSI driver attaches pods' volumes under two letters; such a disk is never ours to format.
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


def candidates(disks: Sequence[Disk]) -> list[Disk]:
    """Return the disks that may be the data volume: whole EBS volumes that nothing uses."""
    return [
        disk
        for disk in disks
        if _NVME.fullmatch(disk.name) and disk.serial.startswith(_EBS_SERIAL) and not disk.in_use and disk.size > 0
    ]


def decide(probed: Sequence[Probed]) -> Plan:
    """Choose among candidates: ours first, then the empty one that is called as data volumes are.

    A volume of a pod may be attached as well, empty or not; ours is told from it by its label.
    """
    for disk, found in probed:
        if found and found.label == LABEL and found.kind in _FILE_SYSTEMS:
            return Mount(disk, found.kind, grow=found.size is None or found.size < disk.size)
    empty = [disk for disk, found in probed if found is None and not _POD_NAME.fullmatch(disk.device_name)]
    if empty:
        return Format(min(empty, key=_distance))
    if not probed:
        return Memory("there is no data volume")
    return Memory(
        f"{', '.join(_refusal(disk, found) for disk, found in probed)}, which is not ours and stays untouched"
    )


def is_certain(probed: Sequence[Probed]) -> bool:
    """Whether a disk that comes later could not be a better choice: ours is there, or nothing but its name is known."""
    chosen = decide(probed)
    return isinstance(chosen, Mount) or (isinstance(chosen, Format) and _distance(chosen.disk) == 0)


def _distance(disk: Disk) -> int:
    """Return how far a disk's name is from the data volume's; one that tells no name may be it."""
    return 0 if disk.device_name in {"", _DATA_NAME} else 1


def _refusal(disk: Disk, found: Signature | None) -> str:
    named = f"{disk.serial}, {disk.device_name}" if disk.device_name else disk.serial
    return f"{disk.name} ({named}) " + (f"carries {found.kind}" if found else "is named as a pod's volume")


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
