"""Sets of files that one writer owns: what an earlier pass wrote and the present one does not want goes.

The record of their names lies beside them, so that it is gone where they are gone.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from agent.host import files
from agent.model import FileSpec


def write_set(wanted: Sequence[FileSpec], record: str, *, root: Path = Path("/")) -> frozenset[str]:
    """Write every file, remove those of the record that are wanted no more, and return what changed.

    The record names files before they are written and until they are removed, so that a killed pass loses none.
    """
    before = recorded(record, root=root)
    names = frozenset(spec.path for spec in wanted)
    if not names <= before:
        _record(before | names, record, root)
    changed = files.write_files(wanted, root=root)
    removed = frozenset(path for path in before - names if files.remove_file(path, root=root))
    _record(names, record, root)
    return changed | removed


def recorded(record: str, *, root: Path = Path("/")) -> frozenset[str]:
    """Return the paths of the files that the last pass wrote, as far as a record tells."""
    text = files.read_text(files.below(root, record))
    try:
        return frozenset(json.loads(text)["files"]) if text else frozenset()
    except ValueError:  # somebody wrote to it: no reason not to go on
        return frozenset()


def _record(paths: frozenset[str], record: str, root: Path) -> None:
    body = json.dumps({"schemaVersion": 1, "files": sorted(paths)}, indent=2) + "\n"
    files.write_file(FileSpec(record, body.encode()), root=root)
