"""The host's vital signs: interfaces, file systems, memory, process IDs, and what the kernel kept of a panic."""

import contextlib
import json
import os
import socket
import stat
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from agent.host import commands, files

_SECONDS = 2.0
_RECORD_LIMIT = 256 << 10
_RECORDS = 16
_ARCHIVE = "/var/lib/systemd/pstore"
_PSTORE = "/sys/fs/pstore"


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
    """Return the records that the last boot left in pstore, the oldest first.

    systemd-pstore archives them early in the next boot: what it archived before this one is of boots further back.
    """
    archived = [path for path in _records(files.below(root, _ARCHIVE)) if path.stat().st_mtime >= _booted_at()]
    found = [*archived, *_records(files.below(root, _PSTORE))]
    newest = sorted(found, key=lambda path: path.stat().st_mtime)[-_RECORDS:]
    return [files.read_text(path, limit=_RECORD_LIMIT) or "" for path in newest]


def _records(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("dmesg*") if _is_file(path)]


def _booted_at() -> float:
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


def _is_file(path: Path) -> bool:
    return stat.S_ISREG(path.lstat().st_mode)
