"""The diagnostics daemon without systemd: its collections are child processes, which outlive it as units do.

Run as `python diagnostics_process.py ROOT`, and by itself as `… ROOT CAPTURE` for one collection.
"""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from agent.diagnostics import daemon
from agent.diagnostics.means import Collector


class Children(Collector):
    """Collections by process; the pid files stand for systemd's memory."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def start(self, capture_id: str) -> None:
        child = subprocess.Popen([sys.executable, __file__, self._root, capture_id], start_new_session=True)
        self._pid_file(capture_id).write_text(str(child.pid))

    def stop(self, capture_id: str) -> None:
        with suppress(FileNotFoundError, ProcessLookupError):
            os.killpg(int(self._pid_file(capture_id).read_text()), signal.SIGKILL)

    def trouble(self, capture_id: str) -> str | None:
        with suppress(FileNotFoundError):
            stat = Path("/proc", self._pid_file(capture_id).read_text(), "stat").read_text()
            if stat.rpartition(")")[2].split()[0] != "Z":
                return None
        return "it is not running"

    def _pid_file(self, capture_id: str) -> Path:
        return self._root / f"{capture_id}.pid"


if __name__ == "__main__":
    place = Path(sys.argv[1])
    if len(sys.argv) > 2:
        daemon.collect(sys.argv[2], root=place)
    else:
        daemon.serve(root=place, collector=Children(place))
