"""Compressing a file into another, whole or not at all."""

import os
import shutil
from pathlib import Path

from isal import igzip

from agent.errors import FailedError

# Packets are compressed beside a capture that must not wait: the fastest level.
_LEVEL = 0
_CHUNK = 1 << 20


def move_compressed(source: Path, target: Path) -> None:
    """Make `target` the gzip of `source`, and remove that; a reader never sees a part of `target`."""
    half = target.with_name(f".{target.name}.half")
    try:
        with source.open("rb") as read, half.open("wb") as written:
            with igzip.IGzipFile(filename="", mode="wb", compresslevel=_LEVEL, fileobj=written, mtime=0) as packed:
                shutil.copyfileobj(read, packed, _CHUNK)
            written.flush()
            os.fsync(written.fileno())
        half.rename(target)
        source.unlink()
    except OSError as error:
        half.unlink(missing_ok=True)
        said = os.strerror(error.errno or 0)
        raise FailedError(f"cannot compress {source}: {said}", hint="free space on its file system") from error
