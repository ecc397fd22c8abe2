"""The host's vital signs: interfaces, file systems, memory, process IDs, and what the kernel kept of a panic."""

import contextlib
import json
import os
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from agent import pstore
from agent.host import commands, files

_SECONDS = 2.0
_RECORD_LIMIT = 256 << 10
# A dump of an EFI store has a record a KiB.
_RECORDS = 64
_ARCHIVE = "/var/lib/systemd/pstore"
_PSTORE = "/sys/fs/pstore"
_MADE_AT_BOOT = "/run/systemd"


class Usage(NamedTuple):
    """The size and the free space of a file system for programs without privileges, in bytes and inodes."""

    size: int
    free: int
    inodes: int
    free_inodes: int


class Capacity(NamedTuple):
    """Memory in bytes, and process IDs: the whole, and what is available or used of it."""

    memory: int
    available_memory: int
    pids: int
    used_pids: int


class _Record(NamedTuple):
    """A record of pstore, and when it was written."""

    written: float
    text: str


def ip(*arguments: str) -> list[object]:
    """Return what `ip -json` lists; nothing where it fails."""
    finished = commands.run(["ip", "-json", *arguments], timeout=_SECONDS)
    with contextlib.suppress(ValueError):
        listed = json.loads(finished.text) if finished.ok and finished.text.strip() else []
        return listed if isinstance(listed, list) else []
    return []


def usage(path: Path) -> Usage | None:
    """Return the usage of the file system at `path`, or None where there is none that could ever have space.

    An image's own file system is full from its first day; it is what is seen before the data volume is mounted.
    """
    try:
        seen = os.statvfs(path)
    except OSError:
        return None
    if seen.f_flag & os.ST_RDONLY and not seen.f_bfree:
        return None
    return Usage(seen.f_blocks * seen.f_frsize, seen.f_bavail * seen.f_frsize, seen.f_files, seen.f_favail)


def capacity() -> Capacity:
    """Return the host's memory and process IDs (proc_meminfo(5), proc_loadavg(5))."""
    lines = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
    meminfo = {line[0].rstrip(":"): int(line[1]) << 10 for line in lines if len(line) > 1}
    pids = int(Path("/proc/sys/kernel/pid_max").read_text())
    used = int(Path("/proc/loadavg").read_text().split()[3].partition("/")[2])
    return Capacity(meminfo["MemTotal"], meminfo["MemAvailable"], pids, used)


def takes_connections(path: Path) -> bool:
    """Return whether somebody accepts connections at a Unix socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as channel:
        channel.settimeout(_SECONDS)
        return channel.connect_ex(str(path)) == 0


def panic_records(root: Path = Path("/")) -> Sequence[str]:
    """Return the dumps that the last boot left in pstore, the oldest first.

    systemd-pstore archives them early in the next boot: what it archived before this one is of boots further back. It
    may be at it now. A record is in the archive before it is gone from the store, so the store is read first.
    """
    held = _records(files.below(root, _PSTORE), since=0.0)
    archived = _records(files.below(root, _ARCHIVE), since=_booted_at(root))
    found = sorted((*held, *archived), key=lambda record: record.written)
    return pstore.dumps(dict.fromkeys(record.text for record in found))


def _records(folder: Path, since: float) -> list[_Record]:
    """Return the newest records below a folder; one that goes away meanwhile is none."""
    paths = (Path(parent, name) for parent, _, names in os.walk(folder) for name in names if name.startswith("dmesg"))
    found = []
    for path in paths:
        with contextlib.suppress(OSError):
            written = path.lstat().st_mtime
            if written >= since:
                found.append((written, path))
    read = ((written, files.read_text(path, limit=_RECORD_LIMIT)) for written, path in sorted(found)[-_RECORDS:])
    return [_Record(written, text) for written, text in read if text]


def _booted_at(root: Path) -> float:
    """Return when this boot began, by the clock of its beginning: it may have been put forward or back since then.

    What systemd made in /run has its times of that clock.
    """
    times = [time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)]
    for path in files.below(root, _MADE_AT_BOOT).glob("*"):
        with contextlib.suppress(OSError):
            times.append(path.lstat().st_mtime)
    return min(times)
