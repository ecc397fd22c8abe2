"""The kernel: how much machine it has, and its sysctls."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from agent.errors import FailedError

_SYSCTLS = Path("/proc/sys")
_PAGE = 4096  # no sysctl is longer
_EXCHANGED = str.maketrans("./", "/.")


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


def read_sysctls(keys: Iterable[str], *, folder: Path = _SYSCTLS) -> dict[str, str]:
    """Return the values of those sysctls that there are: the kernel, the namespace or the link may lack some."""
    found = {key: _read(_file(folder, key)) for key in keys}
    return {key: value for key, value in found.items() if value is not None}


def apply_sysctls(values: Mapping[str, str], *, folder: Path = _SYSCTLS) -> frozenset[str]:
    """Give sysctls their values, and return those that had another; `kernel.hostname` is the host name."""
    return frozenset(key for key, value in values.items() if _apply(_file(folder, key), value))


def apply_sysctl(key: str, value: str, *, folder: Path = _SYSCTLS) -> bool:
    """Give one sysctl its value, and return whether it had another."""
    return _apply(_file(folder, key), value)


def _file(folder: Path, key: str) -> str:
    """Return a key's file: as in sysctl.d(5) a slash in a key of dots stands for a dot, as names of links may have."""
    return f"{folder}/{key.translate(_EXCHANGED)}"


def _read(file: str) -> str | None:
    # Dozens are read every few seconds; a Path and a text file object take most of the time that it is read through.
    try:
        handle = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        return os.read(handle, _PAGE).decode().strip()
    except FileNotFoundError:  # its link went after it was opened (proc_sys_call_handler, fs/proc/proc_sysctl.c)
        return None
    finally:
        os.close(handle)


def _apply(file: str, value: str) -> bool:
    path = Path(file)
    try:
        if path.read_text().split() == value.split():
            return False
        path.write_text(f"{value}\n")
    except OSError as error:
        message = f"cannot set {file} to {value}: {os.strerror(error.errno or 0)}"
        raise FailedError(message, hint="run as root, in a unit with ProtectKernelTunables=no") from error
    return True
