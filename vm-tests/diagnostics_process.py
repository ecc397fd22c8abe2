"""The diagnostics daemon without systemd: its captures are child processes, which outlive it as units do.

Run as `python diagnostics_process.py ROOT`, and by itself as `… ROOT collect CAPTURE` or `… ROOT packets CAPTURE`.
"""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from agent.diagnostics import daemon, serving
from agent.diagnostics.means import Unit
from agent.diagnostics.serving import Units
from agent.packets import daemon as packets


class Children(Unit):
    """Captures by process; the pid files stand for systemd's memory."""

    def __init__(self, root: Path, command: str, ended_by: signal.Signals) -> None:
        self._root = root
        self._command = command
        self._ended_by = ended_by

    def start(self, capture_id: str) -> None:
        child = subprocess.Popen(
            [sys.executable, __file__, self._root, self._command, capture_id], start_new_session=True
        )
        self._pid_file(capture_id).write_text(str(child.pid))

    def stop(self, capture_id: str) -> None:
        with suppress(FileNotFoundError, ProcessLookupError):
            os.killpg(int(self._pid_file(capture_id).read_text()), self._ended_by)

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
    match sys.argv[2:]:
        case ["collect", capture]:
            daemon.collect(capture, root=place)
        case ["packets", capture]:
            packets.run(capture, root=place)
        case _:
            collect = Children(place, "collect", signal.SIGKILL)
            serving.serve(root=place, units=Units(collect, Children(place, "packets", signal.SIGTERM)))
