"""Starting a process: the bare interpreter, and the imports of each command.

The bare interpreter and the imports alone have rows of their own, so that our own share is seen.
"""

import sys

from bench.measure import memory, wall

# Imports of the resident daemons, and of what systemd starts now and again.
IMPORTS = {
    "bare interpreter": "pass",
    "command line": "import agent.__main__",
    "network": "import agent.__main__, agent.network.daemon",
    "diagnostics": "import agent.__main__, agent.diagnostics.daemon",
    "console, first headline": "import agent.__main__, agent.console.daemon",
    "doctor": "import agent.__main__, agent.doctor.daemon",
    "configure": "import agent.__main__, agent.configure.daemon",
}


def rows() -> dict[str, dict[str, float]]:
    return {
        "start, wall ms": {name: wall([sys.executable, "-c", code]) for name, code in IMPORTS.items()},
        "imports, PSS MiB": {name: memory(code) for name, code in IMPORTS.items()},
    }
