"""Run in a mount namespace of its own: a cycle's disk section beside a file system that answers nothing."""

import json
import os
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "host"))
import dead_mount

from agent.console import daemon
from agent.console.decode import newest
from agent.doctor.report import Check, Report
from agent.host import status


def main(folder: Path) -> None:
    dead, root = folder / "dead", folder / "root"
    dead.mkdir()
    (root / "etc/node-agent").mkdir(parents=True)
    (root / "etc/node-agent/console.json").write_text(json.dumps({"sections": ["disk"]}))
    status.write("console", "ok", root=root, cycle=1)
    device = dead_mount.mount(dead)
    server = os.fork()
    if server == 0:
        dead_mount.serve(device)
    os.close(device)
    began = time.monotonic()
    doctor = daemon.Doctor(lambda: Report((Check("ok", "", id="imds"),)), lambda _report: None)
    daemon.cycle(folder / "console", doctor, root=root)
    took = time.monotonic() - began
    os.kill(server, signal.SIGKILL)
    found = newest((folder / "console").read_bytes())
    assert found is not None
    print(json.dumps({"disk": found.section("disk"), "took": took}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
