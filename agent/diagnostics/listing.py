"""The catalogue as people, programs and the documentation read it."""

import json

from agent.diagnostics.api import CATEGORIES
from agent.diagnostics.catalogue import OUTPUTS
from agent.outputs import Output


def as_text() -> str:
    """Return the catalogue for people."""
    width = max(len(output.path) for output in OUTPUTS)
    return (
        "\n\n".join(
            "\n".join([name, *(f"  {output.path:<{width}}  {output.source}" for output in _of(name))])
            for name in CATEGORIES
        )
        + "\n"
    )


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
        }
        for output in OUTPUTS
    ]
    return json.dumps({"schemaVersion": 1, "outputs": rows}, indent=2) + "\n"


def as_markdown() -> str:
    """Return the tables of docs/bundle.md."""
    return "\n".join(
        "\n".join([f"### {name}", "", "| path | source |", "| --- | --- |", *map(_row, _of(name)), ""])
        for name in CATEGORIES
    )


def _of(category: str) -> list[Output]:
    return [output for output in OUTPUTS if output.category == category]


def _row(output: Output) -> str:
    source = str(output.source).replace("|", "\\|")
    return f"| `{output.path}` | `{source}` |"
