"""Measures what the design sets targets for and this host can show; prints JSON, medians of several runs.

The bare interpreter and the imports alone have rows of their own, so that our own share is seen.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import bundle
import speaking
from configure.samples import INSTANCE, document

from world import imds
from world.metadata import Metadata

ROOT = Path(__file__).resolve().parents[2]
RUNS = 9
# As on a node, where the image carries the byte code.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
MAC = "02:00:00:00:00:01"
# Imports of the resident daemons, and of what systemd starts now and again.
IMPORTS = {
    "bare interpreter": "pass",
    "command line": "import agent.__main__",
    "network": "import agent.__main__, agent.network.daemon",
    "diagnostics": "import agent.__main__, agent.diagnostics.serving",
    "console, first headline": "import agent.__main__, agent.console.daemon",
    "doctor": "import agent.__main__, agent.doctor.daemon",
    "configure": "import agent.__main__, agent.configure.daemon",
}


def main() -> None:
    figures = {
        "machine": {"cpus": os.cpu_count(), "python": sys.version.split()[0], "load": os.getloadavg()[0]},
        "start, wall ms": {name: wall([sys.executable, "-c", code]) for name, code in IMPORTS.items()},
        "imports, PSS MiB": {name: memory(code) for name, code in IMPORTS.items()},
        "configure, wall ms": configure(),
        "bundle": bundle.figures(),
        "console": speaking.rows(),
    }
    print(json.dumps(figures, indent=2))


def run(command: Sequence[str]) -> None:
    quiet = subprocess.DEVNULL
    subprocess.run(command, check=True, stdout=quiet, stderr=quiet, cwd=ROOT, env=ENVIRONMENT)


def median(measure: Callable[[], float]) -> float:
    return round(statistics.median(measure() for _ in range(RUNS)), 1)


def wall(command: Sequence[str]) -> float:
    """Return the median of a command's wall time in milliseconds."""

    def once() -> float:
        started = time.perf_counter()
        run(command)
        return (time.perf_counter() - started) * 1000

    return median(once)


def memory(code: str) -> float:
    """Return the median proportional set size of a process after some imports, in MiB."""
    look = "lines = open('/proc/self/smaps_rollup').read().split('Pss:')[1]\nprint(int(lines.split()[0]) / 1024)"
    command = [sys.executable, "-c", f"{code}\n{look}"]
    return median(lambda: float(subprocess.check_output(command, cwd=ROOT, env=ENVIRONMENT)))


def configure() -> dict[str, float]:
    """Time a whole first pass and a pass that changes nothing, IMDS answering."""
    identity = {
        "accountId": INSTANCE.account_id,
        "availabilityZone": INSTANCE.availability_zone,
        "imageId": INSTANCE.image_id,
        "instanceId": INSTANCE.instance_id,
        "instanceType": INSTANCE.instance_type,
        "region": INSTANCE.region,
    }
    metadata = Metadata({
        "dynamic/instance-identity/document": json.dumps(identity),
        "meta-data/local-hostname": "ip-10-0-0-20.us-west-2.compute.internal",
        "meta-data/local-ipv4": "10.0.0.20",
        "meta-data/mac": MAC,
        f"meta-data/network/interfaces/macs/{MAC}/vpc-ipv4-cidr-blocks": "10.0.0.0/16",
        "meta-data/services/domain": "amazonaws.com",
        "user-data": document('cluster-dns-ip = "172.20.0.10"'),
    })  # fmt: skip
    with imds.serving(metadata) as url, tempfile.TemporaryDirectory() as folder:
        kept = [sys.executable, "-m", "agent", "configure", "--imds", url, "--root", f"{folder}/kept"]
        number = iter(range(RUNS))

        def fresh() -> float:
            started = time.perf_counter()
            run([*kept[:-1], f"{folder}/{next(number)}"])
            return (time.perf_counter() - started) * 1000

        return {"first": median(fresh), "unchanged": wall(kept)}


if __name__ == "__main__":
    main()
