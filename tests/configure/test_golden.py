"""Whole rendered trees, byte for byte. `python tests/configure/test_golden.py` writes them anew: then read the diff."""

from pathlib import Path

import pytest
from configure.samples import FACTS, GOLDEN, INSTANCE

from agent.configure import render, settings, userdata
from agent.configure.facts import Facts
from agent.host import files
from agent.model import FileSpec

NAMES = sorted(path.parent.name for path in GOLDEN.glob("*/user-data.toml"))
NETWORKS = ("10.0.0.0/16", "2600:1f14::/56")


def rendered(name: str) -> tuple[FileSpec, ...]:
    checked = settings.check(userdata.decode((GOLDEN / name / "user-data.toml").read_bytes(), "user data"))
    assert checked.settings is not None, checked.verdicts
    facts = Facts(
        INSTANCE,
        cpus=FACTS.cpus,
        memory_mib=FACTS.memory_mib,
        local_hostname=FACTS.local_hostname,
        vpc_networks=NETWORKS,
        public_bundle=(GOLDEN / "ca-bundle.crt").read_text(),
    )
    return render.render(checked.settings, facts).files


@pytest.fixture(params=NAMES)
def trees(request: pytest.FixtureRequest) -> tuple[dict[str, bytes], dict[str, bytes]]:
    folder = GOLDEN / request.param / "tree"
    written = {f"/{path.relative_to(folder)}": path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {spec.path: spec.content for spec in rendered(request.param)}, written


def test_the_rendered_tree_is_as_it_was(trees: tuple[dict[str, bytes], dict[str, bytes]]) -> None:
    now, then = trees
    assert now == then


if __name__ == "__main__":
    for each in NAMES:
        files.write_files(rendered(each), root=Path(GOLDEN / each / "tree"))
