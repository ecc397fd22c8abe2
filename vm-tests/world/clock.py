"""The Amazon Time Sync Service: a real NTP server on its link-local addresses, which can be away."""

from __future__ import annotations

from pathlib import Path

from world.processes import Process, run, spawn
from world.site import in_url
from world.vpc import BRIDGE, Vpc
from world.waiting import until

ADDRESSES = ("169.254.169.123", "fd00:ec2::123")
PORT = 123
SETTINGS = """\
# This machine's own clock is what the world calls the right time.
local stratum 3
allow
cmdport 0
port {port}
{binds}
"""


class Clock:
    """NTP for the instances; with `stop` nobody answers them any more."""

    def __init__(self, folder: Path, vpc: Vpc) -> None:
        self._folder = folder
        self._vpc = vpc
        self._process: Process | None = None
        folder.mkdir()
        binds = "\n".join(f"bindaddress {address}" for address in ADDRESSES)
        (folder / "chrony.conf").write_text(SETTINGS.format(port=PORT, binds=binds))
        for address in ADDRESSES:
            run(["ip", "-n", vpc.netns, "address", "add", address, "dev", BRIDGE])

    def start(self) -> None:
        # In the foreground (-d), and never touching this machine's clock (-x).
        argv = ["chronyd", "-d", "-x", "-u", "root", "-f", self._folder / "chrony.conf"]
        log = self._folder / "chronyd.log"
        self._process = spawn(argv, log=log, netns=self._vpc.netns, tools_root=True, binds=[self._folder])
        until(self._serves, 10, f"chronyd answers on port {PORT}; see {log}")

    def stop(self) -> None:
        if self._process is not None:
            self._process.stop()

    def _serves(self) -> bool:
        """Whether it has its sockets: UDP has no listening state to see."""
        listed = run(["ss", "--no-header", "--numeric", "--udp", "--all"], netns=self._vpc.netns)
        bound = {line.split()[3] for line in listed.splitlines()}
        return {f"{in_url(address)}:{PORT}" for address in ADDRESSES} <= bound
