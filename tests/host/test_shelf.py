import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

from agent.errors import FailedError
from agent.host.shelf import Shelf
from agent.host.spool import Spool


def tick() -> None:
    """Nothing is fed."""


def shelf(root: Path, *, reserve: int = 0) -> Shelf:
    spool = Spool(root / "spool")
    with tarfile.open(spool.place("c-1") / "bundle", "w:gz"):
        pass
    return Shelf(spool, "bundle", node="i-1", reserve=reserve, root=root)


def test_a_bundle_is_there_whole_for_the_kubelet_alone(tmp_path: Path) -> None:
    assert shelf(tmp_path).keep("c-1", "i-1", tick) == "/var/log/support/i-1-logs.tar.gz"
    kept = tmp_path / "var/log/support/i-1-logs.tar.gz"
    assert kept.stat().st_mode & 0o777 == 0o640
    assert kept.read_bytes() == (tmp_path / "spool/c-1/bundle").read_bytes()
    assert [path.name for path in kept.parent.iterdir()] == [kept.name]


def test_no_bundle_takes_the_last_space(tmp_path: Path) -> None:
    with pytest.raises(FailedError, match="no space for"):
        shelf(tmp_path, reserve=1 << 60).keep("c-1", "i-1", tick)
    assert not list((tmp_path / "var/log/support").iterdir())


@pytest.mark.parametrize(("age", "stays"), [(0, True), (590, True), (610, False), (-3600, False)])
def test_a_bundle_goes_after_ten_minutes_whatever_the_clock_did(tmp_path: Path, age: int, *, stays: bool) -> None:
    made = shelf(tmp_path)
    made.keep("c-1", "i-1", tick)
    kept = tmp_path / "var/log/support/i-1-logs.tar.gz"
    then = time.time() - age
    os.utime(kept, (then, then))
    made.sweep()
    assert kept.exists() is stays


def test_what_somebody_else_left_there_stays(tmp_path: Path) -> None:
    made = shelf(tmp_path)
    made.sweep()
    folder = tmp_path / "var/log/support"
    folder.mkdir(parents=True)
    others = {"bottlerocket.txt", "bottlerocket-logs.tar.gz", "mine-logs.tar.gz", "i-1-logs.tar.gz.keep", "i-1*"}
    for name in (*others, "i-1-logs.tar.gz", ".i-1-logs.tar.gz.half"):
        (folder / name).touch()
        os.utime(folder / name, (0, 0))
    made.sweep()
    assert {path.name for path in folder.iterdir()} == others


def test_what_a_killed_daemon_half_wrote_goes(tmp_path: Path) -> None:
    script = """
import os, pathlib, signal, sys
from agent.host.shelf import Shelf
from agent.host.spool import Spool
root = pathlib.Path(sys.argv[1])
def kill(event, arguments):
    if event == "os.rename":
        os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(kill)
Shelf(Spool(root / "spool"), "bundle", node="i-1", reserve=0, root=root).keep("c-1", "i-1", lambda: None)
"""
    made, folder = shelf(tmp_path), tmp_path / "var/log/support"
    ended = subprocess.run([sys.executable, "-c", script, tmp_path], check=False)
    assert ended.returncode == -signal.SIGKILL
    (half,) = folder.iterdir()
    os.utime(half, (0, 0))
    made.sweep()
    assert not list(folder.iterdir())
