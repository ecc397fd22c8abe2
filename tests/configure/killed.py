"""Kills a run of configure at its first step, at its second, and so on, and has the next run make up for each.

`killed.py ROOT BEFORE AFTER`: two metadata services, whose user data differ. A process of its own, as it forks.
"""

import itertools
import os
import shutil
import signal
import sys
from pathlib import Path

from agent.configure import daemon, render

# Each is a step of a write or of a removal, as Python's audit hooks see it.
STEPS = ("open", "os.mkdir", "os.remove", "os.rename", "os.rmdir")


def tree(root: Path) -> dict[str, bytes]:
    """Return what is to outlast a run: everything but the status, which tells the time."""
    kept = (path for path in root.rglob("*") if path.is_file() and "run" not in path.relative_to(root).parts)
    return {str(path.relative_to(root)): path.read_bytes() for path in kept}


def configure(root: Path, url: str) -> None:
    """Run on the host's own terms: what would be restarted is put down beside the root."""

    def take_effect(changed: frozenset[str]) -> None:
        with root.with_name("restarted").open("a") as restarted:
            restarted.writelines(f"{unit}\n" for unit in render.restarts(changed))

    inputs = daemon.read_patiently(root, url)
    assert inputs.checked.settings is not None
    daemon.carry_out(
        inputs, render.render(inputs.checked.settings, inputs.facts, inputs.checked.accepted), root, take_effect
    )


def restarted(root: Path) -> set[str]:
    """Return what was restarted since it was asked for."""
    path = root.with_name("restarted")
    found = set(path.read_text().split())
    path.unlink()
    return found


def lay_out(root: Path, url: str) -> None:
    """Have a first run write what the next one changes and drops."""
    shutil.rmtree(root, ignore_errors=True)
    configure(root, url)
    restarted(root)
    (root / "var/lib/kubelet/pki").mkdir(parents=True)
    (root / "var/lib/kubelet/cpu_manager_state").write_text("{}")
    (root / "var/lib/kubelet/pki/kubelet-server-current.pem").write_text("of another node")


def is_killed(root: Path, url: str, step: int) -> bool:
    """Run in a child that is killed at its n-th step; False where it ended before."""
    child = os.fork()
    if child:
        return os.WIFSIGNALED(os.waitpid(child, 0)[1])
    steps = itertools.count(1)

    def count(event: str, arguments: tuple[object, ...]) -> None:
        if event in STEPS and str(root) in str(arguments[0]) and next(steps) == step:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    configure(root, url)
    os._exit(0)


def main(root: Path, before: str, after: str) -> None:
    lay_out(root / "clean", before)
    configure(root / "clean", after)
    wanted, units = tree(root / "clean"), restarted(root / "clean")
    assert {"containerd.service", "kubelet.service"} <= units
    for step in itertools.count(1):
        lay_out(root / "killed", before)
        killed = is_killed(root / "killed", after, step)
        configure(root / "killed", after)
        assert tree(root / "killed") == wanted, f"killed at step {step}"
        assert restarted(root / "killed") == units, f"killed at step {step}"
        if not killed:
            print(step - 1)
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
