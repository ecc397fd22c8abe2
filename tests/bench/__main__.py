"""Measures what the design sets targets for and this host can show; prints JSON.

Each group of rows is a module of its own with `rows()`; with names as arguments only those groups are measured.
"""

import json
import os
import sys

from bench import bundle, configuring, enis, speaking, starting

GROUPS = {
    "starting": starting.rows,
    "configuring": configuring.rows,
    "enis": enis.rows,
    "bundle": bundle.rows,
    "console": speaking.rows,
}


def main(names: list[str]) -> None:
    unknown = sorted(set(names) - set(GROUPS))
    if unknown:
        sys.exit(f"no such group: {', '.join(unknown)}; there are {', '.join(GROUPS)}")
    machine = {"cpus": os.cpu_count(), "python": sys.version.split()[0], "load": os.getloadavg()[0]}
    print(json.dumps({"machine": machine, **{name: GROUPS[name]() for name in names or GROUPS}}, indent=2))


if __name__ == "__main__":
    main(sys.argv[1:])
