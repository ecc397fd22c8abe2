"""Whole rendered trees, byte for byte, with their modes.

`PYTHONPATH=tests python tests/configure/test_golden.py` writes them anew: then read the diff.
"""

import shutil
from pathlib import Path

import pytest
from configure.samples import FACTS, GOLDEN, INSTANCE

from agent.configure import render, settings, userdata
from agent.configure.facts import Facts
from agent.host import files
from agent.model import FileSpec

SOURCES = {path.parent.name: path for path in sorted(GOLDEN.glob("*/user-data*"))}
NETWORKS = ("10.0.0.0/16", "2600:1f14::/56")
USUAL_MODE = 0o644


def rendered(name: str) -> tuple[FileSpec, ...]:
    checked = settings.check(userdata.decode(SOURCES[name].read_bytes(), "user data"))
    assert checked.settings is not None, checked.verdicts
    facts = Facts(
        INSTANCE,
        cpus=FACTS.cpus,
        memory_mib=FACTS.memory_mib,
        local_hostname=FACTS.local_hostname,
        vpc_networks=NETWORKS,
        public_bundle=(GOLDEN / "ca-bundle.crt").read_text(),
        providers=frozenset({"ecr-credential-provider"}),
    )
    return render.render(checked.settings, facts).files


def modes(specs: tuple[FileSpec, ...]) -> str:
    """Return the modes that are not the usual one, which git does not keep."""
    return "".join(f"{spec.mode:04o} {spec.path}\n" for spec in specs if spec.mode != USUAL_MODE)


@pytest.fixture(params=SOURCES)
def both(request: pytest.FixtureRequest) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Return the tree as it is rendered and as it was written, with the modes as a file more."""
    name = request.param
    folder = GOLDEN / name / "tree"
    written = {f"/{path.relative_to(folder)}": path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    specs = rendered(name)
    now = {spec.path: spec.content for spec in specs}
    return now | {"": modes(specs).encode()}, written | {"": (GOLDEN / name / "modes").read_bytes()}


def test_the_rendered_tree_is_as_it_was(both: tuple[dict[str, bytes], dict[str, bytes]]) -> None:
    now, then = both
    assert now == then


if __name__ == "__main__":
    for each in SOURCES:
        shutil.rmtree(GOLDEN / each / "tree", ignore_errors=True)
        specs = rendered(each)
        files.write_files([FileSpec(spec.path, spec.content) for spec in specs], root=GOLDEN / each / "tree")
        (GOLDEN / each / "modes").write_text(modes(specs))
