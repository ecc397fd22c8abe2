"""The catalogue as people, programs and the documentation read it."""

import json

from agent.diagnostics.api import CATEGORIES
from agent.diagnostics.catalogue import OUTPUTS
from agent.outputs import SECRETS_CUT, Keep, Output

_HEAD = "| path | source | limits | there is something when |\n| --- | --- | --- | --- |"


def as_text() -> str:
    """Return the catalogue for people."""
    width = max(len(output.path) for output in OUTPUTS)

    def line(output: Output) -> str:
        path, limits, notes, source = _cells(output)
        return f"  {path:<{width}}  {limits:<22}  {source}  ({notes})"

    return "\n".join("\n".join([name, *map(line, _of(name)), ""]) for name in CATEGORIES)


def as_json() -> str:
    """Return the catalogue for programs."""
    rows = [
        {
            "category": output.category,
            "path": output.path,
            "source": str(output.source),
            "keep": str(output.keep),
            "limit": output.limit,
            "seconds": output.seconds,
            "when": _when(output),
            "redaction": output.redaction,
        }
        for output in OUTPUTS
    ]
    return json.dumps({"schemaVersion": 1, "outputs": rows}, indent=2) + "\n"


def as_markdown() -> str:
    """Return the tables of docs/bundle.md."""
    return "\n".join("\n".join([f"### {name}", "", _HEAD, *map(_row, _of(name)), ""]) for name in CATEGORIES)


def _of(category: str) -> list[Output]:
    return [output for output in OUTPUTS if output.category == category]


def _row(output: Output) -> str:
    path, limits, notes, source = (cell.replace("|", "\\|") for cell in _cells(output))
    return f"| `{path}` | `{source}` | {limits} | {notes} |"


def _cells(output: Output) -> tuple[str, str, str, str]:
    """Return path, limits, notes and source; that secrets are cut goes without saying."""
    limits = f"{'first' if output.keep is Keep.HEAD else 'last'} {output.limit >> 20} MiB, {output.seconds:g} s"
    more = "" if output.redaction == SECRETS_CUT else f"; {output.redaction}"
    return output.path, limits, _when(output) + more, str(output.source)


def _when(output: Output) -> str:
    return output.when or output.source.when
