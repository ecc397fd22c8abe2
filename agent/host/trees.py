"""Outputs that are files of the host: read where they are regular files, and never through a link."""

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from gzip import BadGzipFile
from pathlib import Path
from typing import BinaryIO, cast

from isal import igzip, igzip_lib

from agent.host import files
from agent.host.flow import USUAL, Ending, Flow
from agent.host.job import Job
from agent.outputs import File, Keep, Matching, Status, Tree

_CHUNK = 1 << 18
# A folder with more files than this is no log folder; the rest is left out, and the manifest says so.
_MOST_FILES = 20_000
# How far before a tail a private key is looked for, and its end behind.
_LEAD = 64 << 10
# Rotated logs are unpacked: secrets cannot be cut out of compressed text.
_PACKED = ".gz"
# Deflate packs no more than this into a byte (zlib's technical details); what unpacks to this many times the limit is
# no log, and is not read to its end to keep that.
_MOST_PACKED, _MOST_UNPACKED = 1032, 4
# How many bytes are counted between two signs of life.
_ALIVE_BYTES = 256 << 20
# The bits of a block may be broken, its end may be missing, or it was never one. (isal's stub has an instance there.)
_ROTTEN = (EOFError, BadGzipFile, cast("type[Exception]", igzip_lib.IsalError))
_KEY_BEGINS, _KEY_ENDS = b"-----BEGIN ", b"-----END "


@dataclass(frozen=True, slots=True)
class _Found:
    """A file as it was found: where it goes in the bundle, and the folder's descriptor, which a link cannot divert."""

    path: str
    place: Path
    folder: int | None = None


def take_file(job: Job, source: File) -> None:
    """Take the first of the files that is there."""
    for path in source.paths:
        if _take(job, _Found(job.output.path, job.below(path))):
            return
    job.explain(Status.ABSENT)


def take_matching(job: Job, source: Matching) -> None:
    """Take the files whose path matches."""
    folder = job.output.path.rpartition("/")[0]
    places = _match(job, source.pattern)
    names = _entries([place.name for place in places])
    taken = [_take(job, _Found(f"{folder}/{name}", place)) for place, name in zip(places, names, strict=True)]
    if not any(taken):
        job.explain(Status.ABSENT)


def take_tree(job: Job, source: Tree) -> None:
    """Take every file below the folders that match; a file that is no file of text is passed over."""
    single = not glob.has_magic(source.pattern)
    folders = [folder for folder in _match(job, source.pattern) if folder.is_dir() and not folder.is_symlink()]
    count = 0
    for folder in folders:
        base = job.output.path if single else f"{job.output.path}{folder.name}/"
        for found in _walk(job, folder, base):
            if count >= _MOST_FILES:
                job.explain(Status.TRUNCATED, f"only the first {_MOST_FILES} files are kept", path=base)
                return
            count += _take(job, found)
    if count == 0:
        path = job.output.path if single else f"{job.output.path}{Path(source.pattern).name}/"
        job.explain(Status.EMPTY if folders else Status.ABSENT, path=path)


def _match(job: Job, pattern: str) -> list[Path]:
    return sorted(job.root.glob(pattern.lstrip("/")))


def _walk(job: Job, folder: Path, base: str) -> Iterator[_Found]:
    def refused(error: OSError) -> None:
        # A name, or the descriptor of a folder that could be opened and not be listed.
        name = Path(error.filename).name if isinstance(error.filename, str) else folder.name
        job.explain(Status.FAILED, f"{name}: {error.strerror}", path=base)

    for place, folders, names, handle in os.fwalk(folder, onerror=refused, follow_symlinks=False):
        folders.sort()
        names.sort()
        for name, entry in zip(names, _entries(names, folders), strict=True):
            inside = Path(place).relative_to(folder) / entry
            yield _Found(base + str(inside), Path(place) / name, handle)


def _entries(names: Sequence[str], others: Iterable[str] = ()) -> Iterator[str]:
    """Give the name in the bundle of each file of a folder: what is unpacked has one that nothing beside it has."""
    taken = {*names, *others}
    for name in names:
        entry = name.removesuffix(_PACKED)
        while entry != name and entry in taken:
            entry += ".unpacked"
        taken.add(entry)
        yield entry


def _take(job: Job, found: _Found) -> bool:
    """Take one file, and say whether there was one: a link, FIFO, socket or device is none."""
    source = f"/{found.place.relative_to(job.root)}"
    try:
        file = files.open_regular(found.place.name if found.folder is not None else found.place, folder=found.folder)
    except OSError as error:
        job.explain(Status.FAILED, error.strerror or str(error), path=found.path, source=source)
        return True
    if file is None:
        return False
    with file:
        state = os.fstat(file.fileno())
        flow = job.flow(found.path, source, modified=state.st_mtime, keep=Keep.HEAD)
        if found.place.name.endswith(_PACKED):
            with igzip.IGzipFile(fileobj=file, mode="rb") as unpacked:
                _pour(job, unpacked, _unpacked_size(job, unpacked, state.st_size), flow)
        else:
            _pour(job, file, state.st_size, flow)
    return True


def _pour(job: Job, file: BinaryIO, size: int, flow: Flow) -> None:
    tail = job.bounds.keep is Keep.TAIL and size > job.bounds.limit
    try:
        if tail:
            flow.write(_begin_tail(job, file, size))
        _copy(file, flow, size)
    except _ROTTEN as error:
        flow.finish(Ending(Status.FAILED, error=f"not a whole gzip file: {error}"))
    except OSError as error:
        flow.finish(Ending(Status.FAILED, error=error.strerror or str(error)))
    else:
        cut = Ending(Status.TRUNCATED, error=f"cut to the last {job.bounds.limit} of {size} bytes")
        flow.finish(cut if tail else USUAL)


def _begin_tail(job: Job, file: BinaryIO, size: int) -> bytes:
    """Read on from the first whole line of the last bytes, or from behind a private key that they would begin within.

    Never back: a packed file would be unpacked once more.
    """
    # Some room is left for what grows where secrets are cut.
    place = size - job.bounds.limit + job.bounds.limit // 64
    start = max(0, place - _LEAD)
    for each in range(_ALIVE_BYTES, start, _ALIVE_BYTES):  # a packed file is unpacked on the way
        file.seek(each)
        job.sender.alive()
    file.seek(start)
    before, after = file.read(min(_LEAD, place)), file.read(min(_LEAD, size - place))
    key = before.rfind(_KEY_BEGINS)
    within = key >= 0 and before.find(_KEY_ENDS, key) < 0
    return after[after.find(b"\n", max(0, after.find(_KEY_ENDS)) if within else 0) + 1 :]


def _copy(file: BinaryIO, flow: Flow, size: int) -> None:
    """Copy what the file held when it was opened; what is appended meanwhile stays out."""
    # Files of /proc and /sys claim a size of 0, and none is known of most packed ones: they are read until they end.
    left = size - file.tell() if size else 1 << 62
    while left > 0 and (chunk := file.read(min(_CHUNK, left))):
        left -= len(chunk)
        if not flow.write(chunk):
            return


def _unpacked_size(job: Job, unpacked: BinaryIO, packed: int) -> int:
    """Return how long a packed file is, which only unpacking tells; 0 where that need not or cannot be known."""
    limit, size, quiet = job.bounds.limit, 0, 0
    if job.bounds.keep is Keep.HEAD or packed * _MOST_PACKED <= limit:
        return 0
    try:
        while size <= limit * _MOST_UNPACKED and (chunk := unpacked.read(_CHUNK)):
            size, quiet = size + len(chunk), quiet + len(chunk)
            if quiet >= _ALIVE_BYTES:
                job.sender.alive()
                quiet = 0
    except (*_ROTTEN, OSError):
        size = 0  # what comes before it breaks is taken from its beginning
    unpacked.seek(0)
    job.sender.alive()
    return size if limit < size <= limit * _MOST_UNPACKED else 0
