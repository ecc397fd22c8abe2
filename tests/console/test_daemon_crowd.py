"""A cycle of a crowded host, of real processes and links, as a terminal receives it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from agent.console.budget import CYCLE_BYTES

# The acceptance speaks of 10000, which take a minute to start; CROWD=10000 has them.
PROCESSES = os.environ.get("CROWD", "500")


@pytest.mark.netns
def test_a_cycle_of_a_crowded_host_keeps_to_the_budget_on_a_terminal(tmp_path: Path) -> None:
    """Real processes with command lines of 4 KB, links and a terminal; ps and ip list them."""
    script = Path(__file__).with_name("crowd.py")
    own = ["unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    argv = [*own, sys.executable, script, PROCESSES, "150", tmp_path / "root", "x" * 4096]
    ended = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=True)
    found = json.loads(ended.stdout)
    assert 20_000 < found["bytes"] <= CYCLE_BYTES
    assert not found["missing"]
    assert found["headline"].startswith("tcp: ")
    assert found["processes"][0].split()[:2] == ["PID", "PPID"]
    assert found["processes"][-1].startswith("... ")
    assert all(size > 500 for size in found["sections"].values()), found


@pytest.mark.netns
def test_the_disk_section_has_its_figures_beside_a_dead_mount(tmp_path: Path) -> None:
    script = Path(__file__).with_name("dead_disk.py")
    argv = ["unshare", "--mount", "--propagation", "private", sys.executable, script, tmp_path]
    ended = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=True)
    found = json.loads(ended.stdout)
    shown = {line.split()[0] for line in found["disk"].splitlines()}
    assert {"/", "/var", "/run"} <= shown
    assert "%" in found["disk"]
    assert str(tmp_path / "dead") not in shown
    assert found["took"] < 4
