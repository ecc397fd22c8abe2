"""Sources: each kind that the catalogue knows, read into a scratch file within its limits."""

import glob
import os
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, TypeAlias

from isal import igzip

from agent.errors import AgentError
from agent.host import commands, files
from agent.host.scratch import Scratch
from agent.outputs import Commands, Digest, EachMount, File, Gathered, Keep, Metadata, Outcome, Output, Status, Tree

_CHUNK = 1 << 18
# Files of /proc and /sys that go into a digest: the largest, /proc/PID/stat, has some 350 bytes.
_DIGEST_LIMIT = 64 << 10
# A folder with more files than this is no log folder; the rest is left out, and the manifest says so.
_TREE_LIMIT = 20_000


@dataclass(frozen=True, slots=True)
class _Ending:
    """What a source says of itself; without a status the content decides."""

    status: Status | None = None
    exit_code: int | None = None
    error: str = ""
    modified: float | None = None


_Fill: TypeAlias = Callable[[Scratch], _Ending]


class Gatherer:
    """Reads sources of the host below `root`; `metadata` gives a value of IMDS, None where there is none."""

    def __init__(self, folder: Path, *, metadata: Callable[[str], str | None], root: Path = Path("/")) -> None:
        self._folder = folder
        self._metadata = metadata
        self._root = root

    def gather(self, output: Output, *, limit: int, seconds: float) -> Iterator[Gathered]:
        """Give each file of an output, at most `limit` bytes of it; commands are ended after `seconds`."""
        limit = min(limit, output.limit)
        source = output.source
        if isinstance(source, Tree):
            yield from self._tree(output, source, limit)
            return
        fill: _Fill
        match source:
            case Commands():
                fill = _commands(source.argvs, min(source.timeout, seconds), source.accepts)
            case EachMount():
                fill = self._each_mount(source, min(source.timeout, seconds))
            case File():
                fill = self._file(source, limit if output.keep is Keep.TAIL else None)
            case Digest():
                fill = self._digest(source)
            case Metadata():
                fill = self._value(source)
        yield self._one(output.path, str(source), fill, limit=limit, keep=output.keep)

    def _one(self, path: str, source: str, fill: _Fill, *, limit: int, keep: Keep) -> Gathered:
        began, started = time.time(), time.monotonic()
        scratch = Scratch(self._folder / "output", limit=limit, keep=keep)
        try:
            ending = fill(scratch)
            scratch.finish()
        except BaseException:
            scratch.discard()
            raise
        content = scratch if scratch.size else None
        outcome = Outcome(
            path=path,
            source=source,
            status=ending.status or _status(scratch),
            exit_code=ending.exit_code,
            seconds=round(time.monotonic() - started, 3),
            bytes_read=scratch.bytes_read,
            bytes_written=scratch.size,
            sha256=scratch.sha256() if content else "",
            error=ending.error,
            redactions=scratch.redactions,
        )
        if content is None:
            scratch.discard()
        return Gathered(outcome, content, ending.modified or began)

    def _file(self, source: File, tail: int | None) -> _Fill:
        def fill(scratch: Scratch) -> _Ending:
            for path in source.paths:
                try:
                    file = files.open_regular(files.below(self._root, path))
                except OSError as error:
                    return _failed(error)
                if file is not None:
                    with file:
                        return _copy(file, scratch, tail=tail)
            return _Ending(Status.ABSENT)

        return fill

    def _tree(self, output: Output, source: Tree, limit: int) -> Iterator[Gathered]:
        count = 0
        for folder in self._match(source.pattern):
            base = output.path + (f"{folder.name}/" if glob.has_magic(source.pattern) else "")
            for place, _, names, handle in _walk(folder):
                inside = Path(place).relative_to(folder)
                for name in sorted(names)[: _TREE_LIMIT - count]:
                    count += 1
                    path = base + str(inside / name)
                    yield from self._tree_file(path, str(Path(place) / name), handle, limit)
        if count == 0 or count >= _TREE_LIMIT:
            status = Status.TRUNCATED if count else Status.ABSENT
            error = f"only the first {_TREE_LIMIT} files are kept" if count else ""
            path = output.path + (f"{Path(source.pattern).name}/" if glob.has_magic(source.pattern) else "")
            yield Gathered(Outcome(path, str(source), status, error=error), None, 0.0)

    def _tree_file(self, path: str, source: str, folder: int, limit: int) -> Iterator[Gathered]:
        try:
            file = files.open_regular(Path(source).name, folder=folder)
        except OSError as error:
            yield Gathered(Outcome(path, source, Status.FAILED, error=os.strerror(error.errno or 0)), None, 0.0)
            return
        if file is None:
            return  # a link, FIFO, socket or device, or gone since it was listed
        with file:
            if path.endswith(".gz"):
                # Rotated logs are unpacked: secrets cannot be cut out of compressed text.
                path, fill = path.removesuffix(".gz"), partial(_unpack, file)
            else:
                fill = partial(_copy, file, tail=limit)
            yield self._one(path, source, fill, limit=limit, keep=Keep.TAIL)

    def _digest(self, source: Digest) -> _Fill:
        def fill(scratch: Scratch) -> _Ending:
            texts = {}
            for path in self._match(source.pattern):
                try:
                    text = files.read_text(path, limit=_DIGEST_LIMIT)
                except OSError:
                    continue  # the process or cgroup has ended since it was listed
                if text is not None:
                    texts[f"/{path.relative_to(self._root)}"] = text
            if not texts:
                return _Ending(Status.ABSENT)
            scratch.write(source.render(texts).encode(errors="surrogateescape"))
            return _Ending()

        return fill

    def _each_mount(self, source: EachMount, seconds: float) -> _Fill:
        text = files.read_text(files.below(self._root, "/proc/self/mountinfo")) or ""
        values = mount_values(text, source.filesystem, source.option)
        return _commands([(*argv, value) for value in values for argv in source.argvs], seconds, source.accepts)

    def _value(self, source: Metadata) -> _Fill:
        def fill(scratch: Scratch) -> _Ending:
            try:
                value = self._metadata(source.path)
            except AgentError as error:
                return _Ending(Status.FAILED, error=str(error))
            if value is None:
                return _Ending(Status.ABSENT)
            scratch.write(f"{value}\n".encode())
            return _Ending()

        return fill

    def _match(self, pattern: str) -> Iterator[Path]:
        yield from sorted(self._root.glob(pattern.lstrip("/")))


def mount_values(mountinfo: str, filesystem: str, option: str) -> list[str]:
    """Return the device, or a mount option's value, of each mount of a file system type (proc_pid_mountinfo(5))."""
    values: dict[str, None] = {}
    for line in mountinfo.splitlines():
        _, _, after = line.partition(" - ")
        kind, _, rest = after.partition(" ")
        device, _, options = rest.partition(" ")
        if kind != filesystem:
            continue
        named = dict(item.partition("=")[::2] for item in options.split(","))
        value = named.get(option) if option else device
        if value:
            # Spaces and the like are written as octal escapes.
            values[value.encode().decode("unicode_escape").encode("latin-1").decode(errors="surrogateescape")] = None
    return list(values)


def _commands(argvs: Sequence[Sequence[str]], seconds: float, accepts: frozenset[int]) -> _Fill:
    def fill(scratch: Scratch) -> _Ending:
        return _worst([commands.stream(argv, scratch.write, timeout=seconds) for argv in argvs], accepts)

    return fill


def _worst(ran: Sequence[commands.Finished], accepts: frozenset[int]) -> _Ending:
    code = next((one.status for one in reversed(ran) if one.status), ran[-1].status if ran else None)
    for one in ran:
        if one.timed_out:
            return _Ending(Status.TIMEOUT, code, one.error)
    for one in ran:
        if not one.missing and one.status not in accepts:
            return _Ending(Status.FAILED, code, one.error or f"exit status {one.status}")
    if all(one.missing for one in ran):
        return _Ending(Status.ABSENT, error="; ".join(one.error for one in ran))
    return _Ending(None, code)


def _copy(file: BinaryIO, scratch: Scratch, *, tail: int | None) -> _Ending:
    """Copy what a file held when it was opened, or the last `tail` bytes; what is appended meanwhile stays out."""
    found = os.fstat(file.fileno())
    # Files of /proc and /sys claim a size of 0: they are read until they end.
    left = found.st_size or (1 << 62)
    skipped = max(0, found.st_size - tail) if tail else 0
    try:
        if skipped:
            left -= file.seek(skipped)
        while left > 0 and (chunk := file.read(min(_CHUNK, left))):
            left -= len(chunk)
            if not scratch.write(chunk):
                break
    except OSError as error:
        return _failed(error)
    return _Ending(Status.TRUNCATED if skipped else None, modified=found.st_mtime)


def _unpack(file: BinaryIO, scratch: Scratch) -> _Ending:
    modified = os.fstat(file.fileno()).st_mtime
    try:
        with igzip.IGzipFile(fileobj=file, mode="rb") as unpacked:
            while chunk := unpacked.read(_CHUNK):
                scratch.write(chunk)
    except (OSError, EOFError) as error:
        return _Ending(Status.FAILED, error=f"not a whole gzip file: {error}", modified=modified)
    return _Ending(modified=modified)


def _walk(folder: Path) -> Iterator[tuple[str, list[str], list[str], int]]:
    if not stat.S_ISDIR(folder.lstat().st_mode):
        return
    for place, folders, names, handle in os.fwalk(folder, follow_symlinks=False):
        folders.sort()
        yield place, folders, names, handle


def _failed(error: OSError) -> _Ending:
    return _Ending(Status.FAILED, error=os.strerror(error.errno or 0))


def _status(scratch: Scratch) -> Status:
    if scratch.truncated:
        return Status.TRUNCATED
    return Status.OK if scratch.size else Status.EMPTY
