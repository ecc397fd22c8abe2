"""What every group of rows measures with: commands, medians, memory."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RUNS = 9
# As on a node, where the image carries the byte code.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def run(command: Sequence[str]) -> None:
    quiet = subprocess.DEVNULL
    subprocess.run(command, check=True, stdout=quiet, stderr=quiet, cwd=ROOT, env=ENVIRONMENT)


def median(measure: Callable[[], float]) -> float:
    return round(statistics.median(measure() for _ in range(RUNS)), 1)


def percentiles(samples: Sequence[float]) -> dict[str, float]:
    """Return the median, and the 99th percentile; of less than a hundred samples that is the worst."""
    ordered = sorted(samples)
    worst = ordered[max(0, -(-99 * len(ordered) // 100) - 1)]
    return {"p50": round(statistics.median(ordered), 1), "p99": round(worst, 1), "samples": len(ordered)}


def milliseconds(do: Callable[[], object]) -> float:
    started = time.perf_counter()
    do()
    return (time.perf_counter() - started) * 1000


def wall(command: Sequence[str]) -> float:
    """Return the median of a command's wall time in milliseconds."""
    return median(lambda: milliseconds(lambda: run(command)))


def memory(code: str) -> float:
    """Return the median proportional set size of a process after some imports, in MiB."""
    look = "lines = open('/proc/self/smaps_rollup').read().split('Pss:')[1]\nprint(int(lines.split()[0]) / 1024)"
    command = [sys.executable, "-c", f"{code}\n{look}"]
    return median(lambda: float(subprocess.check_output(command, cwd=ROOT, env=ENVIRONMENT)))
