"""Whole rendered trees, byte for byte, with their modes.

`PYTHONPATH=tests python tests/configure/test_golden.py` writes them anew: then read the diff.
"""

import shutil

import pytest
from configure import trees
from configure.samples import GOLDEN


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


if __name__ == "__main__":
    for each in trees.SOURCES:
        shutil.rmtree(GOLDEN / each / "tree", ignore_errors=True)
    trees.write(GOLDEN)
