"""Reads that block in the kernel, on a real file system that does not answer."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.netns
SCRIPT = Path(__file__).with_name("dead_mount.py")


def test_what_blocks_in_the_kernel_costs_only_itself_and_is_counted(tmp_path: Path) -> None:
    command = ["unshare", "-m", "--propagation", "private", sys.executable, SCRIPT, tmp_path]
    ended = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    rows = {path: (status, behind, error) for path, status, behind, error in map(json.loads, ended.stdout.splitlines())}
    assert rows["df"][:2] == ("timeout", 1)
    assert rows["file"][:2] == ("timeout", 1)
    assert all("blocked in the kernel" in rows[path][2] for path in ("df", "file", "silent", "listing"))
    # What the child was at when nothing more was heard of it, and what only lists.
    assert rows["silent"][:2] == ("timeout", 1)
    assert rows["listing"][:2] == ("timeout", 1)
    assert rows["tree/fine.log"][:2] == ("ok", 0)
