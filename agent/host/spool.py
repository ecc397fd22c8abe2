"""The spool: one folder for each capture, with its request, its result and the bundle in between."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from agent.errors import FailedError
from agent.host import files
from agent.model import FileSpec

FOLDER = "/var/lib/node-agent/spool"
_LIMIT = 1 << 20


class Spool:
    """Folders of captures below one folder on the data volume."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def captures(self) -> list[str]:
        """Return the names of what is there."""
        try:
            return sorted(entry.name for entry in self._folder.iterdir())
        except FileNotFoundError:
            return []

    def names(self, capture: str) -> list[str]:
        """Return the names of a capture's files."""
        try:
            return sorted(entry.name for entry in (self._folder / capture).iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []

    def place(self, capture: str) -> Path:
        """Return a capture's folder, made where it is missing."""
        folder = self._folder / capture
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            hint = "see the data volume: node-agent status"
            raise FailedError(f"cannot make {folder}: {os.strerror(error.errno or 0)}", hint=hint) from error
        return folder

    def read(self, capture: str, name: str) -> bytes | None:
        """Return a small file of a capture, or None where there is none."""
        return files.read_regular(self._folder / capture / name, limit=_LIMIT)

    def write(self, capture: str, name: str, content: bytes) -> None:
        """Write a small file of a capture, whole or not at all."""
        files.write_file(FileSpec(str(self.place(capture) / name), content, 0o600))

    def remove(self, capture: str) -> None:
        """Remove what is there under the name, and all that is in it."""
        target = self._folder / capture
        if target.is_dir() and not target.is_symlink():
            # A collector that is being ended may still make a file: what stays is swept at the next start.
            shutil.rmtree(target, ignore_errors=True)
        else:
            target.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Folder:
    """One capture's folder of a spool."""

    spool: Spool
    capture: str

    def names(self) -> list[str]:
        return self.spool.names(self.capture)

    def read(self, name: str) -> bytes | None:
        return self.spool.read(self.capture, name)

    def write(self, name: str, content: bytes) -> None:
        self.spool.write(self.capture, name, content)

    def size(self, name: str) -> int:
        return files.size(self.spool.place(self.capture) / name)

    def remove(self, name: str) -> None:
        (self.spool.place(self.capture) / name).unlink(missing_ok=True)
