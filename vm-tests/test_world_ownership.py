"""What a world leaves when its process dies is removed by the next one; living worlds are left alone."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from world import namespaces, ownership
from world.ownership import Home
from world.waiting import until

pytestmark = pytest.mark.netns

DOOMED = """
import signal
from world import namespaces, ownership
from world.processes import spawn

home = ownership.claim()
namespaces.make(home.namespace("part"))
process = spawn(["sleep", "600"], log=home.path / "log", netns=home.namespace("part"))
print(home.name, process.pid, flush=True)
signal.pause()
"""


@pytest.fixture
def living() -> Iterator[Home]:
    home = ownership.claim()
    namespaces.make(home.namespace("part"))
    yield home
    ownership.release(home)


def test_a_killed_world_is_swept_and_a_living_one_is_not(living: Home) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", DOOMED], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent
    ) as doomed:
        assert doomed.stdout is not None
        name, pid = doomed.stdout.readline().split()
        until(lambda: _program(pid) == "sleep", 10, "the world's program runs")
        assert name not in ownership.sweep()
        doomed.send_signal(signal.SIGKILL)
    until(lambda: _program(pid) is None, 10, "the program dies with the world's process")
    ownership.sweep()
    assert not (ownership.HOMES / name).exists()
    assert namespaces.names(f"na-{name}-") == []
    assert namespaces.names(living.prefix) == [living.namespace("part")]


def test_a_released_world_leaves_nothing(living: Home) -> None:
    other = ownership.claim()
    namespaces.make(other.namespace("part"))
    ownership.release(other)
    assert not other.path.exists()
    assert namespaces.names(other.prefix) == []
    assert living.path.exists()


def _program(pid: str) -> str | None:
    """Return the name of a process, None when there is none or only its remains."""
    try:
        name, _, rest = Path(f"/proc/{pid}/stat").read_text().partition("(")[2].partition(")")
    except FileNotFoundError:
        return None
    return None if rest.split()[0] == "Z" else name
