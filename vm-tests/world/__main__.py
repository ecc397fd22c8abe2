"""`python -m world`: a Python prompt in a running world; `python -m world sweep` removes what dead worlds left."""

from __future__ import annotations

import argparse
import code
import signal
import sys

from world import ownership
from world.world import World

BANNER = """
A region and a cluster are up; they are gone when you leave (Ctrl-D).

  world.kubectl("get", "nodes")              the cluster's administrator
  node = world.launch(); node.wait_ready()   an instance; about 90 s without KVM
  node.shell("systemctl --failed")           a command in it
  print(node.console().decode())             its serial port, as EC2 keeps it
  node.imds.tree()                           what it is told about itself

The same kubectl in another root shell of this machine:

  {kubectl} get nodes
"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m world", description=__doc__)
    parser.add_argument("command", nargs="?", choices=["shell", "sweep"], default="shell")
    if parser.parse_args().command == "sweep":
        print("removed:", ", ".join(ownership.sweep()) or "nothing was left")
        return 0
    signal.signal(signal.SIGTERM, lambda *_signal: sys.exit(143))  # so that the world is torn down
    with World() as world:
        code.interact(BANNER.format(kubectl=world.kubectl_command), local={"world": world}, exitmsg="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
