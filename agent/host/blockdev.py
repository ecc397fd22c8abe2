"""Block devices: which disks there are, what is on them, and file systems for those with nothing on them."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from agent import nvme
from agent.errors import FailedError
from agent.host import commands, files, nvme_pages
from agent.model import Disk
from agent.nvme import Controller

_SECTOR = 512  # of sysfs, whatever the disk's own is
_PROBE_TIMEOUT = 30.0
_FORMAT_TIMEOUT = 240.0
_BEGINNING = 1 << 16
# blkid(8): nothing was found.
_NOTHING = 2
# There is nothing on new disks to bring into line, nor to remember while one is away.
_NO_RESYNC: Mapping[str, tuple[str, ...]] = {"RAID10": ("--assume-clean", "--bitmap=none")}


def read_disks(root: Path = Path("/")) -> list[Disk]:
    """Return the disks there are, in the order of their places on the bus.

    Their names say nothing: the kernel numbers NVMe disks as they answer, from one boot to the next in another order.
    """
    folder = files.below(root, "/sys/block")
    mounted = {number for number, _, _ in _mounts(root)}
    found = sorted(folder.iterdir(), key=Path.resolve) if folder.is_dir() else []
    return [_read_disk(path, mounted, root) for path in found if _line(path / "hidden") != "1"]


def mounted_type(mount_point: str, root: Path = Path("/")) -> str | None:
    """Return the type of the file system that is mounted there, or None."""
    types = [kind for _, place, kind in _mounts(root) if place == mount_point]
    return types[-1] if types else None


def probe(device: Path) -> dict[str, str]:
    """Return blkid's tags of a device; empty where there is nothing on it that blkid knows."""
    # blkid says "nothing found" of what it cannot read, too.
    try:
        with device.open("rb") as disk:
            disk.read(_BEGINNING)
    except OSError as error:
        raise FailedError(f"cannot read {device}: {os.strerror(error.errno or 0)}", hint="see dmesg") from error
    finished = commands.run(["blkid", "-p", "-o", "export", "--", str(device)], timeout=_PROBE_TIMEOUT)
    if finished.status == _NOTHING and not finished.output:
        return {}
    if not finished.ok:
        said = finished.error or finished.text.strip() or f"exit status {finished.status}"
        raise FailedError(f"cannot tell what is on {device}: {said}", hint="see `blkid -p` on it")
    pairs = (line.partition("=") for line in finished.text.splitlines())
    return {key: value for key, _, value in pairs}


def make_ext4(device: Path, label: str) -> None:
    """Make a file system that is usable at once: inode tables and journal are cleared while it is in use."""
    argv = ["mkfs.ext4", "-q", "-m", "1", "-L", label]
    argv += ["-E", "nodiscard,lazy_itable_init=1,lazy_journal_init=1", "--", str(device)]
    _make(argv, f"a file system on {device}")


def make_xfs(device: Path, label: str) -> None:
    """Make a file system without discarding the disk's blocks first, which may take minutes."""
    _make(["mkfs.xfs", "-q", "-K", "-L", label, "--", str(device)], f"a file system on {device}")


def make_array(array: Path, level: str, members: Sequence[Path]) -> None:
    """Make an array of disks that hold nothing of worth, such as RAID0; its last part is its name."""
    argv = ["mdadm", "--create", str(array), "--run", "--quiet", "--homehost=any", f"--name={array.name}"]
    argv += [f"--level={level.lower()}", f"--raid-devices={len(members)}", *_NO_RESYNC.get(level, ())]
    _make([*argv, *map(str, members)], f"the array {array}")


def assemble_array(array: Path, members: Sequence[Path]) -> None:
    """Assemble an array that was made before, if udev has not yet."""
    if not array.exists():
        _make(["mdadm", "--assemble", str(array), "--run", "--quiet", *map(str, members)], f"the array {array} again")


def _make(argv: Sequence[str], what: str) -> None:
    finished = commands.run(argv, timeout=_FORMAT_TIMEOUT)
    if not finished.ok:
        said = finished.error or finished.text.strip()
        raise FailedError(f"cannot make {what}: {said}", hint="see dmesg for errors of the disk")


def _read_disk(path: Path, mounted: set[str], root: Path) -> Disk:
    parts = [path, *(child for child in path.iterdir() if (child / "partition").exists())]
    told = _controller(files.below(root, f"/dev/{path.name}"))
    return Disk(
        name=path.name,
        serial=_line(path / "device" / "serial"),
        size=int(_line(path / "size") or 0) * _SECTOR,
        in_use=any(_line(part / "dev") in mounted or _has_holders(part) for part in parts),
        model=_line(path / "device" / "model"),
        device_name=told.device_name if told else "",
    )


def _controller(device: Path) -> Controller | None:
    return nvme.parse(nvme_pages.identify(device)) if device.name.startswith("nvme") else None


def _has_holders(part: Path) -> bool:
    holders = part / "holders"
    return holders.is_dir() and any(holders.iterdir())


def _mounts(root: Path) -> Iterator[tuple[str, str, str]]:
    """Give every mount's device number, mount point and file system type (proc_pid_mountinfo(5))."""
    for line in (files.read_text(files.below(root, "/proc/self/mountinfo")) or "").splitlines():
        mount, _, source = line.partition(" - ")
        fields = mount.split()
        yield fields[2], fields[4], source.split()[0]


def _line(path: Path) -> str:
    return (files.read_text(path, limit=4096) or "").strip()
