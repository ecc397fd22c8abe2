"""Kills a run of configure at its first step, at its second, and so on, and has the next run make up for each.

`killed.py ROOT BEFORE AFTER`: two metadata services, whose user data differ. A process of its own, as it forks.
"""

import itertools
import os
import shutil
import signal
import sys
from pathlib import Path

from agent.configure import daemon

# Each is a step of a write or of a removal, as Python's audit hooks see it.
STEPS = ("open", "os.mkdir", "os.remove", "os.rename", "os.rmdir")


def tree(root: Path) -> dict[str, bytes]:
    """Return what is to outlast a run: everything but the status, which tells the time."""
    kept = (path for path in root.rglob("*") if path.is_file() and "run" not in path.relative_to(root).parts)
    return {str(path.relative_to(root)): path.read_bytes() for path in kept}


def lay_out(root: Path, url: str) -> None:
    """Have a first run write what the next one changes and drops."""
    shutil.rmtree(root, ignore_errors=True)
    daemon.configure(root, url, dry_run=False)
    (root / "var/lib/kubelet/pki").mkdir(parents=True)
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
    daemon.configure(root, url, dry_run=False)
    os._exit(0)


def main(root: Path, before: str, after: str) -> None:
    lay_out(root / "clean", before)
    daemon.configure(root / "clean", after, dry_run=False)
    wanted = tree(root / "clean")
    for step in itertools.count(1):
        lay_out(root / "killed", before)
        killed = is_killed(root / "killed", after, step)
        daemon.configure(root / "killed", after, dry_run=False)
        assert tree(root / "killed") == wanted, f"killed at step {step}"
        if not killed:
            print(step - 1)
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
