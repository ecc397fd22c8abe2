"""Files: atomic writes that say whether they changed anything, and reads that a hostile tree cannot divert."""

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from agent.errors import FailedError
from agent.model import FileSpec

# Half-written files live in this folder beside their target: the same mount, so that rename(2) works in a sandbox's
# bind mounts, and not among the files that Go's x509 or kubelet's --config-dir would read.
_STAGING = ".node-agent"
# How much is copied between two looks at whether to go on.
_PIECE = 16 << 20


def write_file(spec: FileSpec, *, root: Path = Path("/")) -> bool:
    """Make the file below `root` be as `spec` says, and return whether that changed anything.

    A reader sees the old or the new content, after a power loss too.
    """
    if is_already(spec, root=root):
        return False
    target = below(root, spec.path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _locked(target.parent) as folder:
            _replace(target, spec, folder)
    except OSError as error:
        raise FailedError(f"cannot write {target}: {os.strerror(error.errno or 0)}", hint=_write_hint(error)) from error
    return True


def write_files(specs: Iterable[FileSpec], *, root: Path = Path("/")) -> frozenset[str]:
    """Write every file, and return the paths of those that changed."""
    return frozenset(spec.path for spec in specs if write_file(spec, root=root))


def is_already(spec: FileSpec, *, root: Path = Path("/")) -> bool:
    """Whether the file below `root` is as `spec` says."""
    target = below(root, spec.path)
    try:
        content = read_regular(target, limit=len(spec.content) + 1)
        return content == spec.content and stat.S_IMODE(target.lstat().st_mode) == spec.mode
    except OSError:
        return False  # unreadable is not as it should be: the write that follows says what is wrong


def copy_file(source: Path, target: Path, *, mode: int, tick: Callable[[], None]) -> None:
    """Copy a file of any size beside others, whole or not at all: a reader never sees a part of it.

    `tick` runs after each piece that is on the disk, and may end the copy by an exception.
    """
    half = half_of(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with source.open("rb") as read, os.fdopen(handle, "wb"):
            while os.sendfile(handle, read.fileno(), None, _PIECE):
                os.fdatasync(handle)
                tick()
            os.fchmod(handle, mode)
            os.fsync(handle)
        half.rename(target)
    except OSError as error:
        raise FailedError(f"cannot write {target}: {os.strerror(error.errno or 0)}", hint=_write_hint(error)) from error
    finally:
        half.unlink(missing_ok=True)


def half_of(target: Path) -> Path:
    """Return where a copy lies until it is whole, also after whoever made it was killed."""
    return target.with_name(f".{target.name}.half")


def remove_file(path: str, *, root: Path = Path("/")) -> bool:
    """Remove the file below `root`, and return whether it was there."""
    target = below(root, path)
    try:
        target.unlink()
        _sync_folder(target.parent)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return False
    except OSError as error:
        raise FailedError(
            f"cannot remove {target}: {os.strerror(error.errno or 0)}", hint=_write_hint(error)
        ) from error
    return True


def remove_tree(path: str, *, root: Path = Path("/")) -> bool:
    """Remove a file, or a folder with all that is in it, and return whether it was there.

    What is mounted in it stays, with the folders above: it is somebody else's.
    """
    target = below(root, path)
    if not target.is_symlink() and target.is_dir():
        _empty(target, target.stat().st_dev)
        with contextlib.suppress(OSError):
            target.rmdir()
        return True
    return remove_file(path, root=root)


def _empty(folder: Path, device: int) -> None:
    for child in folder.iterdir():
        is_folder = child.is_dir() and not child.is_symlink()
        if child.lstat().st_dev != device:
            continue
        if is_folder:
            _empty(child, device)
        with contextlib.suppress(OSError):
            (child.rmdir if is_folder else child.unlink)()


@contextlib.contextmanager
def locked(path: str, *, root: Path = Path("/")) -> Iterator[None]:
    """Hold the lock that a file below `root` stands for, after whoever has it now; a killed process holds none."""
    target = below(root, path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise FailedError(f"cannot lock {target}: {os.strerror(error.errno or 0)}", hint=_write_hint(error)) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def below(root: Path, path: str) -> Path:
    """Return where the node's absolute `path` lies below `root`."""
    return root / path.lstrip("/")


def read_regular(path: Path, *, limit: int) -> bytes | None:
    """Return up to `limit` bytes of a regular file, or None where there is none.

    A symbolic link in the last place, FIFO, socket or device counts as none: opening one may block or lead elsewhere.
    """
    file = open_regular(path)
    if file is None:
        return None
    with file:
        return file.read(limit)


def open_regular(path: Path | str, *, folder: int | None = None) -> BinaryIO | None:
    """Open a regular file as `read_regular` does; `folder` is the descriptor that a relative `path` starts from."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC, dir_fd=folder)
    except OSError as error:
        if error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO}:
            return None
        raise
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        return None
    return os.fdopen(handle, "rb")


def read_text(path: Path, *, limit: int = 1 << 20) -> str | None:
    """Return the text of a regular file, with U+FFFD for what is not UTF-8, or None where there is none."""
    content = read_regular(path, limit=limit)
    return None if content is None else content.decode(errors="replace")


def texts(folder: str, *, root: Path = Path("/")) -> dict[str, str]:
    """Return the texts of the files in a folder below `root`, and of those that links in it lead to, by their paths.

    Links come first: who removes what is found is stopped at no time where a link tells nothing any more.
    """
    place = below(root, folder)
    found = sorted(place.iterdir(), key=lambda path: not path.is_symlink()) if place.is_dir() else []
    read = ((path.name, _text_behind(path)) for path in found)
    return {f"{folder}/{name}": text for name, text in read if text is not None}


def _text_behind(path: Path) -> str | None:
    try:
        return read_text(path.resolve())
    except (OSError, RuntimeError):  # a link that leads to itself; Python 3.11 raises the latter
        return None


def executables(folder: Path) -> frozenset[str]:
    """Return the names of the programs in a folder, which need not be there."""
    found = folder.iterdir() if folder.is_dir() else ()
    return frozenset(path.name for path in found if is_executable(path))


def is_executable(path: Path) -> bool:
    """Return whether there is a program."""
    return path.is_file() and os.access(path, os.X_OK)


def target(link: Path) -> str:
    """Return where a symbolic link leads, as it says itself; nothing where there is none."""
    try:
        return str(link.readlink())
    except OSError:
        return ""


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[int]:
    """Hold the folder's lock, so that two writers of one name do not share a half-written file."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle
    finally:
        os.close(handle)


def _replace(target: Path, spec: FileSpec, folder: int) -> None:
    staging = target.parent / _STAGING
    staging.mkdir(mode=0o700, exist_ok=True)
    # The name is fixed and the lock held: what a killed writer left is written over, and nothing piles up.
    half = staging / target.name
    try:
        handle = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as file:
            os.fchmod(handle, spec.mode)
            file.write(spec.content)
            file.flush()
            os.fsync(handle)
        half.rename(target)
    except OSError:
        half.unlink(missing_ok=True)
        raise
    finally:
        with contextlib.suppress(OSError):
            staging.rmdir()
    os.fsync(folder)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write_hint(error: OSError) -> str:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return "free space on its file system"
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return "grant the folder to the unit (ReadWritePaths=), or run as root"
    return "see the cause and try again"


def free_bytes(folder: Path) -> int:
    """Return how many bytes the folder's file system has left."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def space(folder: Path) -> tuple[int, int]:
    """Return the size of the folder's file system, and how much of it is left, in bytes."""
    found = os.statvfs(folder)
    return found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize


def size(path: Path) -> int:
    """Return a file's size in bytes, 0 where it has gone."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
