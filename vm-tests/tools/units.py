"""Checks the units with the tools root's systemd: they parse without a word, and each is sandboxed enough."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tools.enter import enter_command
from tools.node_image import IMAGES, UNITS

# Exposure as `systemd-analyze security` counts it, of 10.
LIMIT = 2.5
# Who reads everything on the node gives away more; each relaxation stands with its reason in the unit's drop-in.
LIMITS = {"node-agent-collect@.service": 4.0}
IMAGE = IMAGES / "node/mkosi.extra/usr/lib"
OF_IMAGE = ("containerd.service", "kubelet.service")
# Lays the units out as in the image, in the private copy of the tools root that it runs in.
SCRIPT = r"""
set -eu
cp -r "$1"/*/ "$2"/*/ /usr/lib/
for program in node-agent kubelet containerd; do cp /usr/bin/true "/usr/bin/$program"; done
printf '[Service]\nExecStart=/usr/bin/containerd\n' >/usr/lib/systemd/system/containerd.service
shift 2
for unit; do
  systemd-analyze verify --man=no --recursive-errors=no "$unit" 2>&1 | sed "s/^/verify: /"
  case $unit in
    node-agent-*.service) systemd-analyze security --offline=true --no-pager "$unit" 2>&1 | tail -1 ;;
  esac
done
"""


@dataclass(frozen=True)
class Checked:
    """Each service's exposure, and what is wrong with the units, a line each."""

    exposures: dict[str, str]
    wrong: list[str]


def check(folder: Path = UNITS) -> Checked:
    """Check the units in the folder."""
    units = sorted(path.name for path in (folder / "systemd/system").iterdir() if path.is_file())
    names = [instance(unit) for unit in [*units, *OF_IMAGE]]
    argv = enter_command(["sh", "-c", SCRIPT, "check", str(folder), str(IMAGE), *names], [folder, IMAGE])
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    # systemd-analyze exits 0 on a misspelt key: whatever it prints is a failure.
    wrong = re.findall(r"^verify: (.+)", done.stdout, re.MULTILINE)
    exposures = dict(re.findall(r"exposure level for (\S+): ([\d.]+)", done.stdout))
    for unit in units:
        if unit.endswith(".service"):
            wrong += too_exposed(unit, exposures.get(instance(unit)))
    if done.returncode and not wrong:
        wrong = [done.stdout]
    return Checked(exposures, wrong)


def too_exposed(unit: str, exposure: str | None) -> list[str]:
    limit = LIMITS.get(unit, LIMIT)
    if exposure is None:
        return [f"{unit}: systemd-analyze security tells no exposure"]
    if float(exposure) > limit:
        return [f"{unit}: exposure {exposure} is over {limit}; sandbox more, or give reasons in its 20-relax.conf"]
    return []


def instance(unit: str) -> str:
    return unit.replace("@.", "@check.")
