"""docs/broken-nodes.md: how each broken node was called by the doctor, compared with what it says now."""

from __future__ import annotations

import fcntl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from broken_ground import settled

DOCUMENT = Path(__file__).resolve().parents[1] / "docs/broken-nodes.md"
BEGIN, END = "<!-- headlines: written by the tests -->", "<!-- end -->"


@dataclass(frozen=True)
class Headlines:
    """The table of the document; with `write` it takes what is seen instead of comparing it."""

    write: bool = False

    def check(self, name: str, report: dict[str, Any], *, expected: str) -> None:
        """Assert that a report names its cause, nothing before it failed, and the document shows its headline."""
        found = report["headline"]
        assert found is not None, report
        assert found["id"] == expected, report["checks"]
        order = [check["id"] for check in report["checks"]]
        before = report["checks"][: order.index(expected)]
        assert [check for check in before if check["status"] == "fail"] == []
        said = settled(f"{found['id']}: {found['message']} -> {found['action']}")
        if self.write:
            _put(name, said)
        assert rows()[name] == said, said


def rows() -> dict[str, str]:
    """Return the document's headlines by broken node."""
    inside = DOCUMENT.read_text().partition(BEGIN)[2].partition(END)[0]
    cells = [line.strip("|").split(" | ") for line in inside.splitlines() if line.startswith("| ")]
    return {cell[0].strip(): cell[1].strip().strip("`") for cell in cells[2:]}


def _put(name: str, said: str) -> None:
    with DOCUMENT.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        shown = {**rows(), name: said}
        before, _, rest = file.read().partition(BEGIN)
        after = rest.partition(END)[2]
        cells = (f"| {key} | `{shown[key]}` |" for key in shown)
        table = ["| what is broken | the headline |", "| --- | --- |", *cells]
        file.seek(0)
        file.write("\n".join([before + BEGIN, *table, END + after]))
        file.truncate()
