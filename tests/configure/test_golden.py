"""Whole rendered trees, byte for byte, with their modes.

`PYTHONPATH=tests python tests/configure/test_golden.py` writes them anew: then read the diff.
"""

import shutil

import pytest
from configure import trees
from configure.samples import GOLDEN

from agent.diagnostics import catalogue
from agent.outputs import File


@pytest.fixture(params=trees.SOURCES)
def both(request: pytest.FixtureRequest) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Return the tree as it is rendered and as it was written, with the modes as a file more."""
    name = request.param
    folder = GOLDEN / name / "tree"
    written = {f"/{path.relative_to(folder)}": path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    specs = trees.rendered(name)
    now = {spec.path: spec.content for spec in specs}
    return now | {"": trees.modes(specs).encode()}, written | {"": (GOLDEN / name / "modes").read_bytes()}


def test_the_rendered_tree_is_as_it_was(both: tuple[dict[str, bytes], dict[str, bytes]]) -> None:
    now, then = both
    assert now == then


def test_what_a_bundle_takes_of_the_agents_own_is_rendered(both: tuple[dict[str, bytes], dict[str, bytes]]) -> None:
    sources = [output.source.paths for output in catalogue.OUTPUTS if isinstance(output.source, File)]
    own = {path for paths in sources for path in paths if path.startswith("/etc/node-agent/")}
    assert "/etc/node-agent/settings.json" in own
    assert own <= both[0].keys()


if __name__ == "__main__":
    for each in trees.SOURCES:
        shutil.rmtree(GOLDEN / each / "tree", ignore_errors=True)
    trees.write(GOLDEN)
