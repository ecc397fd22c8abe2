"""Run in a mount namespace of its own: a journal of long lines, as a `journalctl` prints them, read by journal.tail.

Prints, as JSON, what came of it and of its section of a console cycle. The program stands in the place of the host's
own, as nothing here has a journal with as much to say.
"""

import json
import subprocess
import sys
from pathlib import Path

from agent.console.sections import log
from agent.host import journal

# As journalctl does, the newest `--lines` of 1000 lines of 5 KB, the oldest of them first.
JOURNALCTL = """#!/bin/sh
for word; do case $word in --lines=*) lines=${word#--lines=};; esac; done
awk -v lines="$lines" 'BEGIN {
    long = sprintf("%5000s", ""); gsub(" ", "x", long)
    for (n = 1001 - lines; n <= 1000; n++) print "2026-11-22T15:00:00+0000 i kubelet[7]: " long " line " n
}'
"""


def main(folder: Path) -> None:
    program = folder / "journalctl"
    program.write_text(JOURNALCTL)
    program.chmod(0o755)
    subprocess.run(["mount", "--bind", program, "/usr/bin/journalctl"], check=True)
    found = {"unit": journal.tail(["kubelet"], 300, timeout=60), "kernel": journal.kernel(300, timeout=60)}
    shown = log("kubelet", found["unit"].text).lines
    print(
        json.dumps(
            {
                "last": {name: each.text.splitlines()[-1][-9:] for name, each in found.items()},
                "truncated": {name: each.truncated for name, each in found.items()},
                "lines": len(found["unit"].text.splitlines()),
                "shown": [shown[0], shown[-1][-9:]],
            }
        )
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
