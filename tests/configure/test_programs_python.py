"""The golden trees do not depend on who renders them: another Python, another order of sets."""

import subprocess
import sys
from pathlib import Path

import tomli_w
from configure import trees
from configure.samples import GOLDEN

from tools import enter_command
from tools.trees import runtime_root

ROOT = Path(__file__).parents[2]
# tomli_w and what else is pure Python; extensions are of the Python that runs this.
PACKAGES = Path(tomli_w.__file__).parents[1]


def content(folder: Path) -> dict[str, bytes]:
    found = (path for name in trees.SOURCES for path in (folder / name).rglob("*") if path.is_file())
    paths = ((str(path.relative_to(folder)), path) for path in found)
    return {name: path.read_bytes() for name, path in paths if name.endswith("/modes") or "/tree/" in name}


def render_with(python: list[str], folder: Path) -> None:
    variables = ["PYTHONDONTWRITEBYTECODE=1", "PYTHONHASHSEED=7", f"PYTHONPATH={ROOT}:{ROOT}/tests:{PACKAGES}"]
    argv = ["env", *variables, *python, "-m", "configure.trees", str(folder)]
    subprocess.run(argv if python == [sys.executable] else inside(argv, folder), check=True, timeout=120)


def inside(argv: list[str], folder: Path) -> list[str]:
    return enter_command(argv, [ROOT, PACKAGES, folder], tree=runtime_root())


def test_another_order_of_sets_renders_the_same(tmp_path: Path) -> None:
    render_with([sys.executable], tmp_path)
    assert content(tmp_path) == content(GOLDEN)


def test_the_image_s_python_renders_the_same(tmp_path: Path) -> None:
    render_with(["python3"], tmp_path)
    assert content(tmp_path) == content(GOLDEN)
