"""An HTTPS proxy, as companies have: the way out of a network that has no other, for who knows its password."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

from world.processes import Process, spawn
from world.site import wait_listening

PORT = 3128
USER = "egress"
REQUEST = re.compile(r"Request \(file descriptor \d+\): CONNECT (\S+) HTTP/")
TUNNEL = re.compile(r'Established connection to host "([^"]+)"')
SETTINGS = """\
Port {port}
Listen {address}
Timeout 600
LogLevel Info
ConnectPort 443
DisableViaHeader Yes
BasicAuth {user} {password}
"""


class Proxy:
    """The proxy on an address of its namespace; it tunnels to port 443 and does nothing else."""

    def __init__(self, folder: Path, *, netns: str, address: str) -> None:
        self.address = address
        self.password = secrets.token_urlsafe(18)
        self._log = folder / "proxy.log"
        folder.mkdir()
        settings = folder / "proxy.conf"
        settings.write_text(SETTINGS.format(port=PORT, address=address, user=USER, password=self.password))
        # -d keeps it in the foreground; its log goes to standard output then.
        self._process: Process = spawn(
            ["tinyproxy", "-d", "-c", settings], log=self._log, netns=netns, tools_root=True, binds=[folder]
        )
        wait_listening(self._process, netns, address, PORT)

    @property
    def url(self) -> str:
        """What a client is configured with; it holds the password."""
        return f"http://{USER}:{self.password}@{self.address}:{PORT}"

    def stop(self) -> None:
        self._process.stop()

    def asked(self) -> list[str]:
        """Return the host and port of every tunnel that was asked for so far, oldest first."""
        return REQUEST.findall(self._text())

    def carried(self) -> list[str]:
        """Return the host of every tunnel that was granted so far, oldest first."""
        return TUNNEL.findall(self._text())

    def _text(self) -> str:
        return self._log.read_text(errors="replace")
