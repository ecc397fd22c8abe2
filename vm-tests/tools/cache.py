"""The build cache: entries named by what went into them, made whole or not at all, safe to delete."""

import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tools import progress

KEPT = 2  # a branch switched to and fro stays warm, and the disk does not fill
IN_USE_SECONDS = 2 * 3600.0  # longer than any run of the tests: machines of another run may boot from it


def home() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "node-agent"


def shared(name: str) -> Path:
    """Return a folder that outlives entries, for downloads that a tool itself manages."""
    path = home() / name
    path.mkdir(parents=True, exist_ok=True)
    return path


def key(*parts: str | Path) -> str:
    """Hash texts, files and folders; of a folder, every file's relative name, mode and content."""
    total = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            items: Iterable[tuple[str, bytes]] = [("", part.encode())]
        else:
            items = ((name, path.read_bytes()) for name, path in _files(part))
        for name, content in items:
            total.update(f"{name}\0{hashlib.sha256(content).hexdigest()}\n".encode())
    return total.hexdigest()[:16]


def entry(kind: str, name: str, build: Callable[[Path], None], folder: Path | None = None) -> Path:
    """Return the folder of this kind and key, built first if it is not there."""
    path = (folder or home()) / f"{kind}-{name}"
    if not path.is_dir():
        with _lock(path.with_name(f".{kind}.lock")):
            if not path.is_dir():
                _make(path, build)
                _prune(kind, path)
    os.utime(path)
    return path


def _make(path: Path, build: Callable[[Path], None]) -> None:
    partial = path.with_name(f".{path.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # left by a build that was killed: we hold the lock
    partial.mkdir()
    try:
        build(partial)
        partial.rename(path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _prune(kind: str, current: Path) -> None:
    digits = "[0-9a-f]" * 16
    others = [path for path in current.parent.glob(f"{kind}-{digits}") if path != current]
    newest_first = sorted(others, key=lambda path: path.stat().st_mtime, reverse=True)
    for path in newest_first[KEPT - 1 :]:
        if time.time() - path.stat().st_mtime > IN_USE_SECONDS:
            shutil.rmtree(path, ignore_errors=True)


def _files(top: Path) -> Iterator[tuple[str, Path]]:
    if top.is_file():
        yield top.name, top
        return
    for path in sorted(top.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            executable = os.access(path, os.X_OK)
            yield f"{path.relative_to(top)}:{executable:d}", path


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress.say(f"waiting for another build: {path.stem[1:]}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
