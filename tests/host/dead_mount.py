"""Collecting beside a file system that answers nothing: run in a mount namespace of its own, prints what came of it.

A request that a FUSE server has taken and never answers cannot be interrupted, as one to a dead NFS server cannot.
"""

import ctypes
import json
import os
import signal
import struct
import sys
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import NoReturn

from agent.host import commands, relay
from agent.host.gather import Gatherer
from agent.host.relay import Patience
from agent.outputs import Commands, Event, File, Outcome, Output, PerItem, Status, Tree

_INIT = 26


def mount(place: Path) -> int:
    """Mount a file system whose server says hello and then only listens."""
    device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"dead", str(place).encode(), b"fuse", 0, options):
        raise OSError(ctypes.get_errno(), "mount")
    return device


def serve(device: int) -> NoReturn:
    while True:
        request = os.read(device, 1 << 17)
        opcode, unique = struct.unpack_from("<4xIQ", request)
        if opcode == _INIT:
            body = struct.pack("<IIIIHHIIHHI28x", 7, 31, 65536, 0, 16, 12, 65536, 1, 0, 0, 0)
            os.write(device, struct.pack("<IiQ", 16 + len(body), 0, unique) + body)


def show(gathered: Generator[Event, None, None]) -> None:
    with closing(gathered) as events:
        for event in events:
            if isinstance(event, Outcome):
                print(json.dumps([event.path, event.status, event.left_behind, event.error]), flush=True)


def main() -> None:
    folder = Path(sys.argv[1])
    dead, log, scratch = folder / "dead", folder / "log", folder / "scratch"
    for place in (dead, log, scratch):
        place.mkdir()
    (log / "fine.log").write_text("fine\n")
    device = mount(dead)
    server = os.fork()
    if server == 0:
        serve(device)
    # Whoever holds the device keeps the file system: those who wait for it are freed when the server is killed.
    os.close(device)
    outputs = [
        Output("System", "df", Commands((("df",),), timeout=1)),
        Output("System", "listing", PerItem("each", Commands((("df",),), timeout=1), lambda _: [])),
        Output("System", "file", File((f"{dead}/a",)), seconds=1),
        Output("System", "tree/", Tree(str(log))),
    ]
    patience = Patience(silence=1, total=60)
    blank = Outcome("silent", "df", Status.FAILED)
    show(relay.gather(lambda _: print(commands.run(["df"], timeout=60)), blank, patience))
    gatherer = Gatherer(scratch, metadata=lambda _: None)
    for output in outputs:
        show(gatherer.gather(output, limit=1 << 20, seconds=60))
    os.kill(server, signal.SIGKILL)


if __name__ == "__main__":
    main()
