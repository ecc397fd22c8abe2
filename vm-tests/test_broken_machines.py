"""Machines broken for real, one after the other and healed again: the headline names each cause.

docs/broken-nodes.md shows each headline as it is printed: `--write-docs` writes what was seen there.
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

import guest
import pods
from agent.console.budget import CYCLE_BYTES
from agent.console.decode import newest
from headlines import Headlines
from world import World
from world.node import Node
from world.waiting import until

pytestmark = [pytest.mark.vm, pytest.mark.full]

# A pull is tried a few times, and kubelet looks at containerd, the CNI and its own certificate now and again.
NOTICED = 240.0
DROP_IN = "/etc/kubernetes/kubelet/config.json.d/99-broken.conf"
CONTAINERD = "/etc/containerd/config.toml"
SERVING = "/var/lib/kubelet/pki/kubelet-server-current.pem"
CONFLIST = "/etc/cni/net.d/*.conflist"
CROWD = """
import os, signal
for _ in range(1000):
    if os.fork() == 0:
        signal.pause()
signal.pause()
"""
# While a cycle is under way it is empty, and a changed status starts one at any time.
CONSOLE_SAYS = "systemctl show --property StatusText --value node-agent-console"
UNREACHABLE = "nowhere.example/away:1"

Breaking = Callable[[World, Node], AbstractContextManager[None]]
BROKEN: dict[str, tuple[str, Breaking]] = {}


def broken(name: str, check: str) -> Callable[[Callable[[World, Node], Iterator[None]]], Breaking]:
    """Register a way to break a machine: what it is, and the check that must name it."""

    def register(breaking: Callable[[World, Node], Iterator[None]]) -> Breaking:
        made = contextlib.contextmanager(breaking)
        BROKEN[name] = (check, made)
        return made

    return register


def by_scripts(name: str, check: str, breaking: str, healing: str) -> None:
    """Register a machine that scripts break and heal."""

    def both(_world: World, node: Node) -> Iterator[None]:
        guest.run(node, breaking)
        yield
        guest.run(node, healing)

    broken(name, check)(both)


# First, as kubelet evicts pods for minutes after a full disk.
@broken("An image cannot be pulled: the registry's name does not resolve", "images")
def _(world: World, node: Node) -> Iterator[None]:
    pods.run(world, node, "away", UNREACHABLE)
    yield
    pods.delete(world, "away")


@broken("The way out leads through a proxy, and none is set", "images")
def _(world: World, node: Node) -> Iterator[None]:
    with world.outside.only_by_proxy():
        pods.run(world, node, "far", world.outside.image)
        # Of two failed pulls the newer counts.
        pods.wait_refusal(world, "far")
        yield
    pods.delete(world, "far")


by_scripts(
    "kubelet's configuration is refused",
    "kubelet",
    f"""mkdir -p {DROP_IN.rpartition("/")[0]}
    echo '{{"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration", "maxPods": -1}}' > {DROP_IN}
    systemctl restart --no-block kubelet""",
    f"rm {DROP_IN}; systemctl restart --no-block kubelet",
)
by_scripts(
    "containerd is dead",
    "containerd",
    f"cp {CONTAINERD} /run/kept.toml; echo '[plugins' >> {CONTAINERD}; systemctl restart --no-block containerd",
    f"cp /run/kept.toml {CONTAINERD}; systemctl restart containerd; systemctl start --no-block kubelet",
)
by_scripts(
    "The disk is full",
    "disk",
    # What root may still take of the last part is not what programs of pods may.
    "fallocate --length $(df --output=avail --block-size=1 /var | tail -1) /var/fill",
    "rm /var/fill",
)
by_scripts(
    "The inodes are used up",
    "disk",
    "mount -o remount,nr_inodes=$(($(df --output=iused /run | tail -1) + 3)) /run",
    "mount -o remount,nr_inodes=800k /run",
)
by_scripts(
    "There is no CNI configuration",
    "node",
    f"systemctl stop node-agent-network; rm {CONFLIST}",
    "systemctl start node-agent-network",
)
by_scripts(
    "The serving certificate is missing", "serving", f"mv {SERVING} /run/kept.pem", f"mv /run/kept.pem {SERVING}"
)
by_scripts(
    "The clock is an hour ahead",
    "clock",
    "systemctl stop systemd-timesyncd; date --set '+1 hour'",
    "date --set '-1 hour'; systemctl start systemd-timesyncd",
)


NO_NETWORK = "There is no network at all"
NAMES = (*BROKEN, NO_NETWORK)


@pytest.fixture
def headlines(request: pytest.FixtureRequest) -> Headlines:
    return Headlines(write=bool(request.config.getoption("--write-docs")))


def report(node: Node) -> dict[str, Any]:
    text = node.shell("node-agent doctor --json", 60).output
    found: dict[str, Any] = json.loads(text[text.index("{") :])
    return found


def wait_headline(node: Node, *checks: str) -> dict[str, Any]:
    """Return the first report whose headline is of one of the checks; "" stands for none."""

    def named() -> dict[str, Any] | None:
        found = report(node)
        known = found["failed"] or found["healthy"]
        return found if known and (found["headline"] or {}).get("id", "") in checks else None

    return until(named, NOTICED, f"the headline is of {checks}", interval=2.0)


def cycles(node: Node) -> list[list[str]]:
    """Return the end markers on the serial port, split, the newest last."""
    text = node.serial_log.read_text(errors="replace").replace("\r", "")
    return [line.split("|", 5) for line in text.splitlines() if line.startswith("NODE-AGENT::END")]


@pytest.fixture(scope="module")
def lonely(world: World) -> Iterator[Node]:
    """A machine whose cable is not plugged in."""
    made = world.launch()
    made.plug(up=False)
    yield made
    world.terminate(made)


@pytest.fixture(scope="module")
def node(lonely: Node) -> Node:
    """The same machine, whose cable was plugged in late, once it has joined."""
    lonely.plug(up=True)
    lonely.wait_ready(600)
    return lonely


def test_without_any_network_the_first_headline_comes_at_once_and_the_cause_after_it(
    lonely: Node, headlines: Headlines
) -> None:
    """How soon it comes is printed, and kept in tests/bench/RESULTS.md."""
    until(lambda: any(marker[5].startswith("primary: ") for marker in cycles(lonely)), NOTICED, "its whole cycle")
    begun = guest.run(lonely, "systemctl show --property ActiveEnterTimestampMonotonic --value systemd-journald")
    ended = until(lambda: logged(lonely, "Finished"), 60, "the cycle's end in the journal")
    out = logged(lonely, "first headline of this boot is out")
    assert out is not None
    print(f"\nfirst headline: {out - int(begun) / 1e6:.1f} s after journald")
    assert out < ended
    headlines.check(NO_NETWORK, wait_headline(lonely, "primary"), expected="primary")


def logged(node: Node, words: str) -> float | None:
    """Return when the console's unit first logged these words, in seconds since boot."""
    lines = guest.run(node, "journalctl --boot --output=short-monotonic --unit=node-agent-console").splitlines()
    return next((float(line[1:].split("]")[0]) for line in lines if words in line), None)


@pytest.mark.parametrize("name", BROKEN)
def test_the_headline_names_the_cause(world: World, node: Node, headlines: Headlines, name: str) -> None:
    check, breaking = BROKEN[name]
    # What was pulled in vain stays in the journal, and so in the verdict, for ten minutes.
    wait_headline(node, "", "images")
    with breaking(world, node):
        found = wait_headline(node, check)
    headlines.check(name, found, expected=check)


def test_the_node_says_in_the_api_what_its_console_says(world: World, node: Node) -> None:
    """The first cycle after the node has joined makes the condition; its unit's status shows the same words."""

    def condition() -> dict[str, Any]:
        found = json.loads(world.kubectl("get", "node", node.instance_id, "-o", "json"))
        listed = [each for each in found["status"]["conditions"] if each["type"] == "DoctorHealthy"]
        return dict(listed[0]) if listed else {}

    guest.run(node, "systemctl start node-agent-console")
    until(
        lambda: condition().get("message", "-") in guest.run(node, CONSOLE_SAYS),
        NOTICED,
        "the unit's status shows what the condition says",
    )


@pytest.fixture
def crowded(node: Node) -> Iterator[Node]:
    """A node with a thousand processes of 4 KB command lines, 200 links, and binary garbage in its journal."""
    guest.run(node, f"echo {base64.b64encode(CROWD.encode()).decode()} | base64 -d > /run/crowd.py")
    guest.run(
        node,
        """systemd-run --unit=crowd --property=TasksMax=2000 \
          python3 -IS /run/crowd.py $(head -c 4096 /dev/zero | tr '\\0' x)
        systemd-run --wait --unit=node-agent-garbage --property=LogRateLimitIntervalSec=0 head -c 4000000 /dev/urandom
        for n in $(seq 100); do echo "link add left$n type veth peer name right$n"; done | ip -batch -""",
        timeout=240,
    )
    yield node
    guest.run(node, "systemctl stop crowd; for n in $(seq 100); do echo link del left$n; done | ip -batch -", 240)


def test_a_cycle_of_a_crowded_machine_keeps_to_the_budget_on_the_serial_port(crowded: Node) -> None:
    def processes() -> str:
        before = len(cycles(crowded))
        # Without KVM a cycle takes a minute here, and one more follows where a status changed meanwhile.
        guest.run(crowded, "systemctl start node-agent-console", timeout=240)
        until(lambda: len(cycles(crowded)) > before, 60, "its end marker")
        raw = crowded.serial_log.read_bytes()
        begin, end = raw.rindex(b"NODE-AGENT::BEGIN"), raw.index(b"\r\n", raw.rindex(b"NODE-AGENT::END"))
        assert 30_000 < end - begin <= CYCLE_BYTES
        found = newest(crowded.console())
        assert found is not None
        assert not found.missing
        return found.section("cpu")

    # ps is given 5 s, and on a busy host that may be too little for a cycle, which then says so.
    until(lambda: "xxxx" in processes(), 600, "a cycle with the rows of ps")


def test_the_last_words_at_shutdown_name_the_cause_in_the_last_lines(node: Node) -> None:
    """The agent's daemons are all well: only the doctor's last look knows. The next boot renders the file anew."""
    guest.run(node, f"echo '[plugins' >> {CONTAINERD}; systemctl restart --no-block containerd")
    wait_headline(node, "containerd")
    before = len(cycles(node))
    node.reboot()
    until(lambda: len(cycles(node)) > before, 60, "the last words")
    assert cycles(node)[-1][5].startswith("containerd: "), cycles(node)[-1]
    text = node.serial_log.read_text(errors="replace").replace("\r", "")
    _, _, after = text.rpartition("NODE-AGENT::END")
    # Its own line, then at most what the kernel and systemd-shutdown say.
    rest = [line for line in after.splitlines()[1:] if line and not re.match(r"\[ *\d+\.\d+\]", line)]
    assert rest == []


def test_after_a_panic_the_next_boot_says_so(node: Node) -> None:
    guest.run(node, "true", timeout=300)
    before = node.serial_log.stat().st_size
    node.crash()
    words = rb"\s+".join(b"the last boot ended in Kernel panic - not syncing: sysrq triggered crash".split())
    until(lambda: re.search(words, node.serial_log.read_bytes()[before:]), NOTICED, "a cycle says it")
