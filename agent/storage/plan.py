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
_FILE_SYSTEMS = frozenset({"ext4", "xfs"})
# As Bottlerocket mounts its data volume: containers' overlays have mount flags of their own.
_OPTIONS = "nodev,noatime,nosuid"
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


def candidates(disks: Sequence[Disk]) -> list[Disk]:
    """Return the disks that may be the data volume: whole EBS volumes that nothing uses."""
    return [
        disk
        for disk in disks
        if _NVME.fullmatch(disk.name) and disk.serial.startswith(_EBS_SERIAL) and not disk.in_use and disk.size > 0
    ]


def decide(probed: Sequence[tuple[Disk, Signature | None]]) -> Plan:
    """Choose among candidates, of which None means that nothing is on it: ours first, then the first empty one.

    A volume of a pod may be attached as well, empty or not; ours is told from it by its label.
    """
    for disk, found in probed:
        if found and found.label == LABEL and found.kind in _FILE_SYSTEMS:
            return Mount(disk, found.kind, grow=found.size is None or found.size < disk.size)
    for disk, found in probed:
        if found is None:
            return Format(disk)
    if not probed:
        return Memory("there is no data volume")
    carried = ", ".join(f"{disk.name} ({disk.serial}) carries {found.kind}" for disk, found in probed if found)
    return Memory(f"{carried}, which is not ours and stays untouched")


def mount_unit(device: str | None, file_system: str, *, check: bool = False) -> FileSpec:
    """Return the mount unit; without a device it is memory. With `check` the file system is checked first."""
    what = device or "tmpfs"
    options = _OPTIONS if device else f"{_OPTIONS},mode=0755"
    unit = ["[Unit]", "Description=Data volume", "DefaultDependencies=no"]
    if device and check:
        checker = f"systemd-fsck@{device.lstrip('/').replace('/', '-')}.service"
        unit += [f"Wants={checker}", f"After={checker}"]
    unit += ["Conflicts=umount.target", "Before=local-fs.target umount.target"]
    mount = ["[Mount]", f"What={what}", f"Where={MOUNT_POINT}", f"Type={file_system}", f"Options={options}"]
    text = "\n".join([*unit, "", *mount, ""])
    return FileSpec(f"/run/systemd/system/{MOUNT_UNIT}", text.encode())
