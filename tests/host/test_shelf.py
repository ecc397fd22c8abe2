import os
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
    return Shelf(spool, "bundle", reserve=reserve, root=root)


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
    other = tmp_path / "var/log/support/bottlerocket.txt"
    other.parent.mkdir(parents=True)
    other.touch()
    os.utime(other, (0, 0))
    made.sweep()
    assert other.exists()
