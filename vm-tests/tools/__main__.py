"""Builds what the virtual machines need and prints where it is; `units` checks the units."""

import argparse
import sys
from collections.abc import Callable

from tools import binaries, node_image, progress, trees, units, wheels
from tools.commands import BuildError


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tools", description=__doc__, epilog="Example: PYTHONPATH=vm-tests python -m tools image"
    )
    parser.add_argument("what", choices=[*BUILDS, "all", "units"], help="what to build, or to check")
    what = parser.parse_args().what
    try:
        for name in BUILDS if what == "all" else [what]:
            (_units if name == "units" else BUILDS[name])()
    except BuildError as error:
        progress.say(str(error))
        return 1
    return 0


def _root() -> None:
    print(trees.root())


def _binaries() -> None:
    for name in binaries.PROGRAMS:
        print(binaries.binary(name))


def _wheel() -> None:
    print(wheels.wheel())


def _image() -> None:
    print(node_image.image().disk.parent)


def _units() -> None:
    checked = units.check()
    for unit, exposure in checked.exposures.items():
        print(f"{exposure:>4} {unit}")
    if checked.wrong:
        raise BuildError("\n".join(["the units are not as they should be:", *checked.wrong]))


BUILDS: dict[str, Callable[[], None]] = {
    "root": _root,
    "binaries": _binaries,
    "wheel": _wheel,
    "image": _image,
}

if __name__ == "__main__":
    sys.exit(main())
