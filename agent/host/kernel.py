"""The kernel: how much machine it has, and its sysctls."""

import os
from collections.abc import Mapping
from pathlib import Path

from agent.errors import FailedError

_SYSCTLS = Path("/proc/sys")


def online_cpus() -> int:
    return os.cpu_count() or 1


def memory_mib() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20


def storage_mib(folder: Path) -> int | None:
    """Return the size of the file system that a folder is on, None where there is no such folder."""
    try:
        found = os.statvfs(folder)
    except FileNotFoundError:
        return None
    return found.f_blocks * found.f_frsize >> 20


def apply_sysctls(values: Mapping[str, str], *, folder: Path = _SYSCTLS) -> frozenset[str]:
    """Give sysctls their values, and return those that had another; `kernel.hostname` is the host name."""
    return frozenset(key for key, value in values.items() if apply_sysctl(key, value, folder=folder))


def apply_sysctl(key: str, value: str, *, folder: Path = _SYSCTLS) -> bool:
    """Give one sysctl its value, and return whether it had another.

    As in sysctl(8) a slash in a name stands for a dot in a part of it: `net.ipv4.conf.eth0/1.rp_filter`.
    """
    file = folder / key.translate(str.maketrans("./", "/."))
    try:
        if file.read_text().split() == value.split():
            return False
        file.write_text(f"{value}\n")
    except OSError as error:
        message = f"cannot set {file} to {value}: {os.strerror(error.errno or 0)}"
        raise FailedError(message, hint="run as root, in a unit with ProtectKernelTunables=no") from error
    return True
