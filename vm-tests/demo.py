"""The README's first command: one node from boot to bundle, on real parts, with what it shows on the way."""

import argparse
import json
import signal
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import tools
from agent.console import decode
from diagnostic import COMPONENT, audit_users, open_bundle, request_logs, wait_completed
from world import World
from world.node import Node
from world.waiting import until

KEY = "demo/bundle.tar.gz"
# Under TCG on two busy cores a node is Ready after about 90 s, and a bundle there after another 60 s.
READY_SECONDS = 300.0
CAPTURE_SECONDS = 300.0


@dataclass
class Stage:
    """Where the demo speaks: each step with the seconds since its start."""

    started: float = field(default_factory=time.monotonic)

    def say(self, text: str) -> None:
        print(f"[{self.seconds:6.1f} s] {text}", flush=True)

    def show(self, title: str, text: str) -> None:
        self.say(title)
        for line in text.rstrip().splitlines():
            print(f"           {line}", flush=True)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started


def main() -> int:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the world up until Ctrl-C, and say how to reach it")
    options = parser.parse_args()
    stage = Stage()
    stage.say("building what is missing: tools root, Kubernetes, S3 gateway, authenticator, node image")
    for program in tools.PROGRAMS:
        tools.binary(program)
    tools.image()
    stage.say("starting a region and a cluster")
    with World() as world:
        facts = demonstrate(world, stage)
        if options.keep:
            keep(world, stage)
    facts["seconds"] = round(stage.seconds, 1)
    print("DEMO " + json.dumps(facts), flush=True)
    return 0


def demonstrate(world: World, stage: Stage) -> dict[str, Any]:
    """Run the whole story, and return its facts; anything that is not as it should be raises."""
    node = world.launch()
    stage.say(f"booting {node.instance_id}")
    version = join(world, node, stage)
    facts = capture(world, node, stage)
    headline = read_console(node, stage)
    return {"node": node.instance_id, "kubeletVersion": version, **facts, "headline": headline}


def join(world: World, node: Node, stage: Stage) -> str:
    node.wait_ready(READY_SECONDS)
    found = json.loads(world.kubectl("get", "node", node.instance_id, "-o", "json"))
    taints = [taint["key"] for taint in found["spec"].get("taints", [])]
    assert "node.cloudprovider.kubernetes.io/uninitialized" not in taints, taints
    stage.show("kubectl get nodes -o wide", world.kubectl("get", "nodes", "-o", "wide"))
    return str(found["status"]["nodeInfo"]["kubeletVersion"])


def capture(world: World, node: Node, stage: Stage) -> dict[str, Any]:
    generation = request_logs(world, node.instance_id, world.presign_put(KEY))
    stage.say("requested a NodeDiagnostic with a pre-signed URL")
    completed = wait_completed(world, node.instance_id, generation, timeout=CAPTURE_SECONDS)
    stage.show(f"NodeDiagnostic: {completed['reason']}", completed["message"])
    content = world.s3.object(KEY)
    assert completed["reason"] == "Success", completed
    assert content is not None, "the object is not in S3"
    bundle = open_bundle(content)
    stage.show(f"s3://diagnostics/{KEY}: {bundle.size} bytes, {len(bundle.names)} entries", "\n".join(bundle.names))
    users = audit_users(world)
    assert users == {COMPONENT}, users
    stage.say(f'audit: "impersonatedUser": {{"username": "{COMPONENT}"}}')
    return {"reason": completed["reason"], "auditUser": COMPONENT, "s3Bytes": bundle.size, "entries": len(bundle.names)}


def read_console(node: Node, stage: Stage) -> str:
    """Show the newest console cycle that was written after the node had joined."""

    def joined() -> decode.Cycle | None:
        cycle = decode.newest(node.console())
        return cycle if cycle is not None and cycle.healthy else None

    cycle = until(joined, 360.0, "a console cycle of a healthy node")
    stage.show("EC2 console, doctor lines", cycle.section("doctor"))
    return cycle.headline


def keep(world: World, stage: Stage) -> None:
    stage.say("the world stays up until Ctrl-C; in another root shell:")
    print(f"           {world.kubectl_command} get nodes", flush=True)
    ends = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)  # sigwait takes only what no handler gets first
    signal.sigwait(ends)


if __name__ == "__main__":
    sys.exit(main())
