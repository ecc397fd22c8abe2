"""The newest lines of a journal are those that are kept, however long its lines are."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("long_journal.py")


@pytest.mark.netns
def test_of_more_than_is_kept_the_newest_lines_stay_and_the_cut_is_said(tmp_path: Path) -> None:
    command = ["unshare", "-m", "--propagation", "private", sys.executable, SCRIPT, tmp_path]
    ended = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    found = json.loads(ended.stdout)
    assert found["last"] == {"unit": "line 1000", "kernel": "line 1000"}
    assert found["truncated"] == {"unit": True, "kernel": True}
    assert 200 < found["lines"] < 300
    assert found["shown"] == ["... what came before is cut ...", "line 1000"]
