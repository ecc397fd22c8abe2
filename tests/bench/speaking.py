"""What a console cycle costs: the processor's time of the process and of all that it starts, on this host."""

import json
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.measure import ENVIRONMENT, ROOT, RUNS

# As its unit runs it, but below a folder, and with nobody at the metadata service's address.
DRIVER = """
import sys
from pathlib import Path
from agent.console import daemon
output, root = Path(sys.argv[1]), Path(sys.argv[2])

def examine():
    from agent.doctor import daemon as doctor
    return doctor.examine(root=root, imds_url="http://127.0.0.1:9")

def announce(found):
    from agent.announce import daemon as announcing
    announcing.announce(found, root=root, imds_url="http://127.0.0.1:9")

daemon.cycle(output, daemon.Doctor(examine, announce), root=root)
"""


def rows() -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        status = root / "run/node-agent/console.json"
        status.parent.mkdir(parents=True)
        # A later cycle than a boot's first, which comes twice.
        status.write_text(json.dumps({"daemon": "console", "cycle": 1}))
        spent = [seconds(Path(folder) / "console", root) for _ in range(RUNS)]
    processes = sum(path.name.isdigit() for path in Path("/proc").iterdir())
    return {"cycle, CPU s": round(statistics.median(spent), 2), "processes listed": processes}


def seconds(output: Path, root: Path) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", DRIVER, output, root], cwd=ROOT, env=ENVIRONMENT, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
