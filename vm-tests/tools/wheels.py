"""The agent as a wheel, and the folder of packages that the node image runs it from."""

import shutil
import sys
from pathlib import Path

from tools import cache, progress
from tools.commands import Build
from tools.enter import enter_command

REPOSITORY = Path(__file__).parents[2]
PARTS = ("LICENSE", "README.md", "agent", "kubectl_node_diagnostic", "pyproject.toml")
SOURCES = tuple(REPOSITORY / name for name in PARTS)
LOCK = REPOSITORY / "requirements.lock"
IMAGE_PYTHON = "3.13"
HERE = Path(__file__)  # how it is built is part of what goes in
# pip takes each name literally: the image's glibc is 2.41, and projects tag their wheels with different floors.
PLATFORMS = ("manylinux2014_x86_64", *(f"manylinux_2_{minor}_x86_64" for minor in (34, 28, 17, 12, 5)))


def wheel() -> Path:
    """Return the agent's wheel."""
    folder = cache.entry("wheel", cache.key(HERE, *SOURCES), _build_wheel)
    return next(folder.glob("*.whl"))


def site() -> Path:
    """Return the agent and its locked dependencies, for the image's Python, byte-compiled."""
    key = cache.key(HERE, LOCK, *SOURCES)
    return cache.entry("site", key, _build_site) / "packages"


def _build_wheel(folder: Path) -> None:
    with progress.step("wheel: the agent"):
        copy = folder / "source"  # setuptools leaves build folders beside what it reads
        copy.mkdir()
        for path in SOURCES:
            if path.is_dir():
                shutil.copytree(path, copy / path.name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(path, copy)
        pip = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", str(folder), str(copy)]
        Build(folder / "log").run(pip)
        shutil.rmtree(copy)


def _dependencies() -> Path:
    def build(folder: Path) -> None:
        with progress.step("dependencies: locked wheels"):
            platforms = [f"--platform={platform}" for platform in PLATFORMS]
            target = ["--only-binary=:all:", f"--python-version={IMAGE_PYTHON}", *platforms]
            locked = ["--require-hashes", "--requirement", str(LOCK)]
            _install(folder, [*target, *locked])

    return cache.entry("dependencies", cache.key(HERE, LOCK), build) / "packages"


def _build_site(folder: Path) -> None:
    packages = folder / "packages"
    shutil.copytree(_dependencies(), packages)
    _install(folder, ["--no-deps", "--upgrade", str(wheel())])
    for record in packages.glob("*.dist-info/direct_url.json"):
        record.unlink()  # the wheel's place on this machine
    with progress.step("site: byte code"):
        # A build sets every time of the image to one value: code that is checked by time would be stale.
        compiler = ["-m", "compileall", "-q", "--invalidation-mode=unchecked-hash", "-s", str(packages)]
        where = ["-p", "/usr/lib/node-agent", str(packages)]
        Build(folder / "log").run(enter_command(["python3", *compiler, *where], [folder]))


def _install(folder: Path, arguments: list[str]) -> None:
    install = [sys.executable, "-m", "pip", "install", "--no-compile", "--target", str(folder / "packages")]
    Build(folder / "log").run([*install, *arguments])
    shutil.rmtree(folder / "packages" / "bin", ignore_errors=True)  # commands of dependencies
