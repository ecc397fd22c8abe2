"""Sets of files that one writer owns: what an earlier pass wrote and the present one does not want goes.

The record of their names lies beside them, so that it is gone where they are gone. It also says which changes are due:
made, and not yet taken up by what reads the files.
"""

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from agent.host import files
from agent.model import FileSpec


@dataclass(frozen=True, slots=True)
class _Record:
    """The paths of the files that are ours, and of changes that are due."""

    files: frozenset[str] = frozenset()
    due: frozenset[str] = frozenset()


def write_set(wanted: Sequence[FileSpec], record: str, *, root: Path = Path("/")) -> frozenset[str]:
    """Write every file, remove those of the record that are wanted no more, and return what changed.

    The record names files before they are written and until they are removed, and what changes as due, so that a
    killed pass loses none.
    """
    before = _read(record, root)
    names = frozenset(spec.path for spec in wanted)
    gone = frozenset(path for path in before.files - names if os.path.lexists(files.below(root, path)))
    due = before.due | gone | {spec.path for spec in wanted if not files.is_already(spec, root=root)}
    _write(_Record(before.files | names, due), record, root)
    changed = files.write_files(wanted, root=root)
    removed = frozenset(path for path in gone if files.remove_file(path, root=root))
    _write(_Record(names, due), record, root)
    return changed | removed


def recorded(record: str, *, root: Path = Path("/")) -> frozenset[str]:
    """Return the paths of the files that the last pass wrote, as far as a record tells."""
    return _read(record, root).files


def due(record: str, *, root: Path = Path("/")) -> frozenset[str]:
    """Return the paths whose changes are due, of this pass and of earlier ones that did not get so far."""
    return _read(record, root).due


def owe(paths: Iterable[str], record: str, *, root: Path = Path("/")) -> None:
    """Put down that changes of other paths will be due; to be called before they are made."""
    before = _read(record, root)
    _write(replace(before, due=before.due.union(paths)), record, root)


def settle(record: str, *, root: Path = Path("/")) -> None:
    """Put down that nothing is due any more."""
    _write(replace(_read(record, root), due=frozenset()), record, root)


def _read(record: str, root: Path) -> _Record:
    text = files.read_text(files.below(root, record))
    try:
        body = json.loads(text or "{}")
    except (ValueError, RecursionError):  # somebody wrote to it: no reason not to go on
        return _Record()
    return _Record(_paths(body, "files"), _paths(body, "due"))


def _paths(body: object, name: str) -> frozenset[str]:
    found = body.get(name) if isinstance(body, dict) else None
    given = found if isinstance(found, list) else []
    return frozenset(path for path in given if isinstance(path, str) and path.startswith("/") and "\0" not in path)


def _write(record: _Record, path: str, root: Path) -> None:
    body = {"schemaVersion": 1, "files": sorted(record.files), "due": sorted(record.due)}
    files.write_file(FileSpec(path, (json.dumps(body, indent=2) + "\n").encode()), root=root)
