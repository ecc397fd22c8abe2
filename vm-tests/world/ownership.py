"""Each world's folder, and the sweep of what worlds left whose process is gone."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from world import namespaces

# On disk, not in /run: the copy-on-write disks of the nodes grow to gigabytes.
HOMES = Path("/var/tmp/node-agent-worlds")
KEEP = ".lock"


@dataclass(frozen=True)
class Home:
    """A world's name and folder; the lock on `owner` is held until its process ends, however it ends."""

    name: str
    path: Path
    lock: int

    @property
    def prefix(self) -> str:
        return f"na-{self.name}-"

    def namespace(self, part: str) -> str:
        return self.prefix + part


def claim() -> Home:
    """Sweep what dead worlds left, then take the first free name."""
    with _exclusive():
        _sweep()
        name = next(f"w{number}" for number in range(1, 1000) if not (HOMES / f"w{number}").exists())
        path = HOMES / name
        path.mkdir()
        return Home(name, path, _lock(path))


def release(home: Home) -> None:
    """Remove everything of this world."""
    with _exclusive():
        _remove(home.path)
        os.close(home.lock)


def sweep() -> list[str]:
    """Remove what dead worlds left and return their names."""
    with _exclusive():
        return _sweep()


def _sweep() -> list[str]:
    dead = []
    for path in sorted(path for path in HOMES.iterdir() if path.is_dir()):
        try:
            lock = _lock(path)
        except BlockingIOError:  # its owner lives
            continue
        _remove(path)
        os.close(lock)
        dead.append(path.name)
    return dead


def _remove(path: Path) -> None:
    for name in namespaces.names(f"na-{path.name}-"):
        namespaces.delete(name)
    shutil.rmtree(path)


def _lock(path: Path) -> int:
    """Lock the world's owner file; the descriptor is not inherited, so the lock dies with this process."""
    descriptor = os.open(path / "owner", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise
    return descriptor


@contextlib.contextmanager
def _exclusive() -> Iterator[None]:
    HOMES.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(HOMES / KEEP, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
