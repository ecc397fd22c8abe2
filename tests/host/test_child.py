"""Children by fork: each test forks a process that has no threads, as the daemon has none."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from agent.host.child import Child, Parent
from world.waiting import until

ORPHAN = """
import sys, time
from pathlib import Path
from agent.host.child import Child
def work(parent):
    Path(sys.argv[1]).write_text(str(__import__("os").getpid()))
    parent.wait(60)
Child(work)
time.sleep(60)
"""
FAILS = """
import time
from agent.errors import FailedError
from agent.host.child import Child
def work(parent):
    raise FailedError("it did not work", hint="try another")
child = Child(work)
while child.running:
    time.sleep(0.01)
print("the parent goes on")
"""


def has_ended(child: Child) -> bool:
    return not child.running


def test_a_child_works_with_what_is_in_memory(tmp_path: Path) -> None:
    secret = "in memory"
    child = Child(lambda _parent: (tmp_path / "out").write_text(secret) and None)
    until(lambda: has_ended(child), 10, "the child ends")
    assert (tmp_path / "out").read_text() == secret


def test_a_child_that_fails_says_why_and_does_not_come_back() -> None:
    done = subprocess.run([sys.executable, "-c", FAILS], capture_output=True, text=True, timeout=20, check=True)
    assert "it did not work" in done.stderr
    assert done.stdout == "the parent goes on\n"


def test_a_child_ignores_sigterm_and_is_ended_by_its_parent(tmp_path: Path) -> None:
    def work(parent: Parent) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        (tmp_path / "alive").touch()
        parent.wait(60)

    child = Child(work)
    until((tmp_path / "alive").exists, 10, "SIGTERM was ignored")
    assert child.running
    child.stop()
    assert not child.running


def test_a_child_ends_with_its_parent(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    parent = subprocess.Popen([sys.executable, "-c", ORPHAN, pid_file], stderr=subprocess.DEVNULL)
    pid = int(until(lambda: pid_file.exists() and pid_file.read_text(), 20, "the child runs") or "0")
    parent.kill()
    parent.wait(10)
    until(lambda: not _alive(pid), 10, "the child ends")


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_wait_is_as_long_as_it_says() -> None:
    began = time.monotonic()
    Parent(os.getppid()).wait(0.1)
    assert time.monotonic() - began >= 0.1
