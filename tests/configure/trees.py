"""The golden trees as they are rendered now. `PYTHONPATH=tests python -m configure.trees FOLDER` writes them there.

It imports nothing that only tests have, so that another Python can be asked for the same trees.
"""

import sys
from pathlib import Path

from configure.samples import FACTS, GOLDEN, INSTANCE

from agent.configure import checking, render, userdata
from agent.configure.facts import Facts
from agent.host import files
from agent.model import FileSpec

SOURCES = {path.parent.name: path for path in sorted(GOLDEN.glob("*/user-data*"))}
NETWORKS = ("10.0.0.0/16", "2600:1f14::/56")
USUAL_MODE = 0o644


def rendered(name: str) -> tuple[FileSpec, ...]:
    return rendered_of(SOURCES[name].read_bytes())


def rendered_of(content: bytes) -> tuple[FileSpec, ...]:
    checked = checking.check(userdata.decode(content, "user data"))
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
    return render.render(checked.settings, facts, checked.accepted).files


def modes(specs: tuple[FileSpec, ...]) -> str:
    """Return the modes that are not the usual one, which git does not keep."""
    return "".join(f"{spec.mode:04o} {spec.path}\n" for spec in specs if spec.mode != USUAL_MODE)


def write(folder: Path) -> None:
    for name in SOURCES:
        specs = rendered(name)
        files.write_files([FileSpec(spec.path, spec.content) for spec in specs], root=folder / name / "tree")
        (folder / name / "modes").write_text(modes(specs))


if __name__ == "__main__":
    write(Path(sys.argv[1]))
