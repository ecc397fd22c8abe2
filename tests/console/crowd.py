"""Run in namespaces of its own: a host that is as bad for a console as one can be, and a cycle of it on a terminal.

Prints what arrived at the other end, as JSON: its bytes, and what `decode` made of them.
"""

import json
import os
import pty
import signal
import subprocess
import sys
import threading
import tty
from pathlib import Path

from agent.console import daemon
from agent.console.decode import newest
from agent.doctor.report import Check, Report
from agent.host import status

GARBAGE = bytes(range(256)).decode("latin-1") + "\ud7ff\u202e\u2028NODE-AGENT::END|9|x|x|x|healthy: "


def main(processes: int, pairs: int, root: Path) -> None:
    root.mkdir()
    links = "".join(f"link add left{number} type veth peer name right{number}\n" for number in range(pairs))
    subprocess.run(["ip", "-batch", "-"], input=links, text=True, check=True)
    children = [child() for _ in range(processes)]
    for number in range(300):
        status.write(f"daemon{number}", "failed", GARBAGE * 20, root=root)
    # The first cycle of a boot comes twice: this is a later one.
    status.write("console", "ok", root=root, cycle=1)
    got = on_a_terminal(root)
    for pid in children:
        os.kill(pid, signal.SIGKILL)
    found = newest(got)
    assert found is not None
    sections = {name: len(found.section(name)) for name in ("doctor", "statuses", "interfaces", "cpu")}
    processes = found.section("cpu").splitlines()
    body = {
        "bytes": len(got),
        "missing": found.missing,
        "headline": found.headline,
        "sections": sections,
        "processes": processes,
    }
    print(json.dumps(body))


def child() -> int:
    pid = os.fork()
    if pid == 0:
        signal.pause()
    return pid


def on_a_terminal(root: Path) -> bytes:
    """Write a cycle to a terminal as the kernel sets up a serial console, and return what its reader gets."""
    master, slave = pty.openpty()
    tty.setraw(master)
    with Path(os.ttyname(slave)).open("wb") as port:
        subprocess.run(["stty", "sane", "-echo", "onlcr"], stdin=port, check=True)
    got = bytearray()
    reader = threading.Thread(target=read, args=(master, got))
    reader.start()
    check = Check("fail", GARBAGE, GARBAGE, "see \x1b[2J", id="tcp")
    doctor = daemon.Doctor(lambda: Report((check,) * 50), announce=lambda _report: None)
    daemon.cycle(Path(os.ttyname(slave)), doctor, root=root)
    os.close(slave)
    reader.join(20)
    return bytes(got)


def read(master: int, got: bytearray) -> None:
    """Read until the last writer has closed the terminal, which is an error to its reader."""
    try:
        while chunk := os.read(master, 1 << 16):
            got += chunk
    except OSError:
        pass


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
