"""Measures what a bundle of 2 GB of pod logs costs: time, beside tar of the same files, and all its processes' memory.

The collector runs as on a node, with its request in a spool; every byte is read, redacted and archived.
"""

import hashlib
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from isal import isal_zlib

from agent.diagnostics import capture
from agent.diagnostics.capture import Capture
from agent.host.spool import FOLDER, Spool
from agent.redactor import Redactor
from world import imds
from world.metadata import Metadata

TOTAL = 2_000_000_000
FILES = 20
CHUNK = 1 << 18
ID = "0b8e0d1c-6a5e-4a0e-9f5e-2f1f4a3c9d10"
PODS = "var/log/pods/kube-system_coredns-0_0/coredns"
# Memory is looked at so often: a peak that is shorter is missed.
LOOK_SECONDS = 0.05
COLLECT = """
import pathlib, sys
from agent.diagnostics import daemon
daemon.collect(sys.argv[1], root=pathlib.Path(sys.argv[2]))
"""
# The product has no switch for it: whatever goes into a bundle passes the redactor.
WITHOUT_REDACTION = f"""
from agent.host import flow
class Through:
    count = 0
    def feed(self, data): return (data,)
    def close(self): return ()
flow.Redactor = Through
{COLLECT}"""
# Runs of the collector with and without redaction, in turn.
RUNS = 3


@dataclass
class Run:
    """A command that has ended."""

    seconds: float
    cpu_seconds: float
    peak_mib: float


def rows(total: int = TOTAL) -> dict[str, object]:
    """Return the figures of a bundle of `total` bytes of logs."""
    with tempfile.TemporaryDirectory(prefix="node-agent-bench-") as folder:
        root = Path(folder)
        size = write_logs(root / PODS, total)
        tar = run(["sh", "-c", f"tar -cz -C {root} var/log/pods | cat >/dev/null"])
        pairs = [(collected(root, COLLECT), collected(root, WITHOUT_REDACTION)) for _ in range(RUNS)]
        bundle, bare = (sorted(runs, key=lambda run: run.seconds)[RUNS // 2] for runs in zip(*pairs, strict=True))
        result = Spool(root / FOLDER[1:]).read(ID, capture.RESULT)
        assert result is not None
        made = capture.parse_made(result)
        return {
            "log bytes": size,
            "bundle bytes": made.size,
            "bundle MB/s": round(size / 1e6 / bundle.seconds, 1),
            "tar -cz MB/s": round(size / 1e6 / tar.seconds, 1),
            "times tar -cz": round(tar.seconds / bundle.seconds, 2),
            "bundle CPU s": round(bundle.cpu_seconds, 1),
            "tar -cz CPU s": round(tar.cpu_seconds, 1),
            "peak PSS of all processes, MiB": round(max(each.peak_mib for each, _ in pairs), 1),
            "redaction, % of the collect time": round(100 * (1 - bare.seconds / bundle.seconds), 1),
            "redaction, % of the CPU time": round(100 * (1 - bare.cpu_seconds / bundle.cpu_seconds), 1),
            "stages alone, MB per CPU s": stages(root / PODS),
        }


def collected(root: Path, program: str) -> Run:
    """Collect all logs of a root anew."""
    spool = Spool(root / FOLDER[1:])
    spool.write(ID, capture.REQUEST, Capture(ID, "u", 1, "i-1", ("Base",), "2026-11-22T15:00:00Z").dump())
    with imds.serving(Metadata({"meta-data/instance-id": "i-1"})) as url:
        return run([sys.executable, "-c", program, ID, str(root)], AWS_EC2_METADATA_SERVICE_ENDPOINT=url)


def line(chance: random.Random, number: int) -> str:
    """Return a line as the container runtime writes it, of a program that logs text or JSON."""
    stamp = f"2026-11-22T15:{number // 60 % 60:02d}:{number % 60:02d}.{chance.randrange(10**9):09d}Z"
    address = f"10.0.{chance.randrange(256)}.{chance.randrange(256)}"
    kind = chance.random()
    if kind < 0.4:
        eni = f"eni-{chance.getrandbits(68):017x}"
        said = f'{{"level":"info","ts":"{stamp}","msg":"Successfully assigned IP {address} to pod","eni":"{eni}"}}'
    elif kind < 0.7:
        container = f"{chance.getrandbits(256):064x}"
        said = f'I1122 15:04:05.{chance.randrange(10**6):06d}    1234 kubelet.go:36] "Observed" container="{container}"'
    elif kind < 0.95:
        said = f'[INFO] {address}:{chance.randrange(65536)} - 1 "A IN kubernetes.svc. udp 54 false 512" NOERROR 106'
    else:
        said = (
            f'level=warning msg="GET https://eks.example/api/v1/secrets?resourceVersion={chance.randrange(10**9)} 401"'
        )
    return f"{stamp} stdout F {said}\n"


def write_logs(folder: Path, total: int) -> int:
    chance = random.Random(5)
    lines = [line(chance, number) for number in range(200_000)]
    folder.mkdir(parents=True)
    written = 0
    for number in range(FILES):
        with (folder / f"{number}.log").open("w") as file:
            while written < total * (number + 1) // FILES:
                start = chance.randrange(len(lines))
                written += file.write("".join(lines[start : start + 2000]))
    return written


def run(command: list[str], **environment: str) -> Run:
    """Run a command, and look at the memory of it and of all that it starts."""
    started, before = time.perf_counter(), cpu_seconds()
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, stdout=quiet, stderr=quiet, env={**os.environ, **environment})
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, sum(map(pss_kib, family(process.pid))) / 1024)
        threading.Event().wait(LOOK_SECONDS)
    assert process.returncode == 0, command
    return Run(time.perf_counter() - started, cpu_seconds() - before, peak)


def cpu_seconds() -> float:
    found = os.times()
    return found.children_user + found.children_system


def family(number: int) -> Iterator[int]:
    yield number
    try:
        children = Path(f"/proc/{number}/task/{number}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return
    for child in children:
        yield from family(int(child))


def pss_kib(number: int) -> int:
    try:
        text = Path(f"/proc/{number}/smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return int(text.partition("\nPss:")[2].split()[0]) if "\nPss:" in text else 0


def stages(folder: Path) -> dict[str, float]:
    """Measure each step of the way alone, on the first of the logs."""
    path = folder / "0.log"
    redactor, digest, compressor = Redactor(), hashlib.sha256(), isal_zlib.compressobj(1, wbits=-15)
    steps: dict[str, Callable[[bytes], object]] = {
        "read": len,
        "redact": lambda data: deque(redactor.feed(data), maxlen=0),
        "sha256": digest.update,
        "compress": compressor.compress,
    }
    return {name: round(path.stat().st_size / 1e6 / through(path, step)) for name, step in steps.items()}


def through(path: Path, step: Callable[[bytes], object]) -> float:
    """Return how many seconds of processor time a step takes for a file."""
    started = time.process_time()
    with path.open("rb", buffering=0) as file:
        while data := file.read(CHUNK):
            step(data)
    return time.process_time() - started
