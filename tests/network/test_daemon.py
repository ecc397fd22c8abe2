"""The network daemon on veths of a namespace, with a simulated IMDS: real kernel, real files."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.errors import TemporaryError
from agent.network import daemon
from world import imds as service
from world import namespaces, waiting
from world.metadata import Fault, Metadata
from world.processes import run

pytestmark = pytest.mark.netns

MACS = "meta-data/network/interfaces/macs"
PRIMARY, SECONDARY = "02:00:00:00:00:0b", "02:00:00:00:00:0a"
CONFLIST = Path("etc/cni/net.d/10-node-agent.conflist")


def interface(mac: str, number: int, **more: str) -> dict[str, str | bytes]:
    values = {
        "device-number": str(number),
        "interface-id": f"eni-0123456789abcde{number:02}",
        "local-ipv4s": f"10.0.0.{10 + number}",
        "mac": mac,
        "owner-id": "123456789012",
        "subnet-id": "subnet-0aa",
        "subnet-ipv4-cidr-block": "10.0.0.0/24",
        "vpc-id": "vpc-0aa",
        **{key.replace("_", "-"): value for key, value in more.items()},
    }
    return {f"{MACS}/{mac}/{key}": value for key, value in values.items()}


class Node:
    """A namespace with two veths as ENIs, its IMDS, and a root folder for what is written."""

    def __init__(self, name: str, root: Path, url: str, metadata: Metadata) -> None:
        self.name = name
        self.root = root
        self.state = root / "run/node-agent/enis.json"
        self.url = url
        self.metadata = metadata

    def once(self) -> None:
        daemon.run(self.url, self.state, once=True, root=self.root)

    def ip(self, *words: str) -> Any:
        return json.loads(run(["ip", "-j", "-n", self.name, *words]) or "null")

    def link(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.ip("link", "show", "dev", name)[0]
        return found

    def snapshot(self) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(self.state.read_text())
        return body

    def entry(self, mac: str) -> dict[str, Any]:
        (found,) = (entry for entry in self.snapshot()["enis"] if entry["mac"] == mac)
        return dict(found)

    def status(self) -> dict[str, Any]:
        body: dict[str, Any] = json.loads((self.root / "run/node-agent/network.json").read_text())
        return body

    def files(self) -> dict[str, tuple[int, int]]:
        return {
            str(path): (path.stat().st_ino, path.stat().st_mtime_ns) for path in self.root.rglob("*") if path.is_file()
        }

    def sysctl(self, key: str) -> str:
        return Path("/proc/sys/net/ipv4", key).read_text().strip()


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    name = f"natest-{os.getpid()}"
    metadata = Metadata(
        {
            "meta-data/mac": PRIMARY,
            **interface(PRIMARY, 0, ipv4_prefix="10.0.1.16/28"),
            **interface(SECONDARY, 1),
        }
    )
    namespaces.make(name)
    try:
        add_eni(name, "eth0", PRIMARY)
        run(["ip", "-n", name, "link", "set", "eth0", "up"])
        run(["ip", "-n", name, "address", "add", "10.0.0.10/24", "dev", "eth0"])
        run(["ip", "-n", name, "route", "add", "default", "via", "10.0.0.1", "dev", "eth0"])
        add_eni(name, "eth1", SECONDARY)
        run(["ip", "-n", name, "link", "add", "cni0", "type", "veth", "peer", "name", "pod0"])
        with namespaces.entered(name), service.serving(metadata) as url:
            yield Node(name, tmp_path, url, metadata)
    finally:
        namespaces.delete(name)


def add_eni(namespace: str, name: str, mac: str) -> None:
    run(["ip", "-n", namespace, "link", "add", name, "address", mac, "type", "veth", "peer", "name", f"{name}-port"])
    run(["ip", "-n", namespace, "link", "set", f"{name}-port", "up"])


def until(condition: Callable[[], bool], seconds: float = 15.0) -> None:
    waiting.until(condition, seconds, "it comes true", interval=0.02)


def test_one_pass_makes_it_so_and_a_second_changes_nothing(node: Node) -> None:
    node.once()
    secondary = node.link("eth1")
    assert (secondary["mtu"], "UP" in secondary["flags"]) == (9001, True)
    assert set(secondary["altnames"]) == {"eni-0123456789abcde01", "device-number-1"}
    primary = node.link("eth0")
    assert (primary["mtu"], "UP" in primary["flags"]) == (1500, True), "the primary is systemd-networkd's"
    assert set(primary["altnames"]) == {"eni-0123456789abcde00", "device-number-0"}
    assert "altnames" not in node.link("cni0")
    assert (node.sysctl("ip_forward"), node.sysctl("conf/eth1/rp_filter"), node.sysctl("conf/cni0/rp_filter")) == (
        "1",
        "2",
        "0",
    )
    assert [entry["state"] for entry in node.snapshot()["enis"]] == ["ready", "ready"]
    assert (
        json.loads((node.root / CONFLIST).read_text())["plugins"][0]["ipam"]["ranges"][0][0]["subnet"] == "10.0.1.16/28"
    )
    assert (node.status()["state"], node.status()["message"]) == ("ok", "2 network interfaces ready")

    before, listening = node.files(), monitor(node.name)
    node.once()
    assert node.files() == before
    assert changes_seen(listening) == []


def test_imds_without_an_answer_fails_the_pass_and_removes_nothing(node: Node) -> None:
    node.once()
    before = {path: value for path, value in node.files().items() if not path.endswith("network.json")}
    node.metadata.fault("", Fault(status=503))
    with pytest.raises(TemporaryError, match="503"):
        node.once()
    assert node.status()["state"] == "degraded"
    assert {path: value for path, value in node.files().items() if not path.endswith("network.json")} == before
    assert set(node.link("eth1")["altnames"]) == {"eni-0123456789abcde01", "device-number-1"}


@pytest.mark.parametrize("fault", [Fault(status=404), Fault(status=503), Fault(empty=True)])
def test_an_unknown_removes_nothing(node: Node, fault: Fault) -> None:
    node.once()
    conflist, entry = (node.root / CONFLIST).read_text(), node.entry(PRIMARY)
    for key in ("", "ipv4-prefix", "interface-id", "device-number", "local-ipv4s"):
        node.metadata.fault(f"{MACS}/{PRIMARY}/{key}", fault)
        node.once()
        node.metadata.heal()
        assert (node.root / CONFLIST).read_text() == conflist
        assert node.entry(PRIMARY) == entry
        assert node.status()["state"] == "degraded"
        assert node.entry(SECONDARY)["state"] == "ready"


def test_a_name_that_is_taken_is_told_and_holds_up_nothing(node: Node) -> None:
    run(["ip", "-n", node.name, "link", "property", "add", "dev", "cni0", "altname", "device-number-1"])
    node.once()
    assert (node.entry(SECONDARY)["state"], node.link("eth1")["mtu"]) == ("degraded", 9001)
    assert "File exists" in node.status()["message"]
    assert "UP" in node.link("eth1")["flags"]


def test_a_snapshot_that_is_damaged_is_made_anew(node: Node) -> None:
    node.state.parent.mkdir(parents=True)
    node.state.write_text('{"schemaVersion": 1, "bootId"')
    node.once()
    assert [entry["state"] for entry in node.snapshot()["enis"]] == ["ready", "ready"]


class Daemon:
    """The resident daemon in a process of its own, and what it tells the service manager."""

    def __init__(self, node: Node) -> None:
        self.notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        address = str(node.root / "notify")
        self.notices.bind(address)
        self.notices.settimeout(15.0)
        script = (
            "import sys; from pathlib import Path; from agent.network import daemon\n"
            "daemon.run(sys.argv[1], Path(sys.argv[2]), once=False, root=Path(sys.argv[3]))"
        )
        self.process = subprocess.Popen(
            [sys.executable, "-c", script, node.url, str(node.state), str(node.root)], env={"NOTIFY_SOCKET": address}
        )

    def next_notice(self) -> str:
        return self.notices.recv(4096).decode()

    def wait_for(self, status: str) -> None:
        deadline = time.monotonic() + 20.0
        while f"STATUS={status}" not in (notice := self.next_notice()):
            assert time.monotonic() < deadline, notice

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(5.0)
        finally:
            self.process.kill()
            self.process.wait()
            self.notices.close()


@pytest.fixture
def resident(node: Node) -> Iterator[Daemon]:
    started = Daemon(node)
    yield started
    started.stop()


def test_the_daemon_is_ready_watched_and_ends_when_told(resident: Daemon) -> None:
    first = resident.next_notice().split("\n")
    assert first[:2] == ["READY=1", "WATCHDOG=1"]
    resident.wait_for("2 network interfaces ready")
    assert resident.stop() == 0


def test_an_eni_that_is_attached_comes_up(node: Node, resident: Daemon) -> None:
    resident.wait_for("2 network interfaces ready")
    mac = "02:00:00:00:00:0c"
    node.metadata.update(interface(mac, 2))
    add_eni(node.name, "eth2", mac)
    resident.wait_for("3 network interfaces ready")
    assert node.link("eth2")["mtu"] == 9001
    assert node.entry(mac)["altnames"] == ["device-number-2", "eni-0123456789abcde02"]


def test_a_link_that_is_changed_by_others_is_put_right(node: Node, resident: Daemon) -> None:
    resident.wait_for("2 network interfaces ready")
    run(["ip", "-n", node.name, "link", "set", "eth1", "mtu", "1400", "down"])
    until(lambda: node.link("eth1")["mtu"] == 9001 and "UP" in node.link("eth1")["flags"], 5.0)
    run(["ip", "-n", node.name, "link", "property", "del", "dev", "eth1", "altname", "device-number-1"])
    until(lambda: "device-number-1" in node.link("eth1")["altnames"], 5.0)


def test_what_is_harmed_while_imds_is_silent_is_put_right_meanwhile(node: Node, resident: Daemon) -> None:
    resident.wait_for("2 network interfaces ready")
    assert any(is_repaired_meanwhile(node, resident) for _ in range(5))


def is_repaired_meanwhile(node: Node, resident: Daemon) -> bool:
    """Harm a rule as soon as IMDS is silent about one of two ENIs; whether it is back before the other's turn comes."""
    before = len(node.metadata.requests)
    for mac in (PRIMARY, SECONDARY):
        node.metadata.fault(f"{MACS}/{mac}", Fault(hang=True))
    resident.process.send_signal(signal.SIGUSR1)
    until(lambda: any(request.status == 0 for request in node.metadata.requests[before:]))
    asked = len(node.metadata.requests)
    run(["ip", "-n", node.name, "rule", "delete", "priority", "32765"])
    until(lambda: bool(node.ip("rule", "show", "priority", "32765")), 20.0)
    is_meanwhile = len(node.metadata.requests) == asked
    node.metadata.heal()
    until(lambda: bool(node.status()["state"] == "ok"), 30.0)
    return is_meanwhile


def test_an_eni_whose_metadata_is_late_waits_for_it(node: Node, resident: Daemon) -> None:
    resident.wait_for("2 network interfaces ready")
    mac = "02:00:00:00:00:0c"
    late = interface(mac, 2)
    add_eni(node.name, "eth2", mac)
    node.metadata.set(f"{MACS}/{mac}/mac", late.pop(f"{MACS}/{mac}/mac"))
    until(lambda: mac in node.state.read_text())
    until(lambda: bool(node.entry(mac)["state"] == "metadata-pending"))
    assert "UP" in node.link("eth2")["flags"], "that it is a secondary is known, and enough to bring it up"
    node.metadata.update(late)
    resident.wait_for("3 network interfaces ready")


def test_an_eni_that_imds_no_longer_lists_drains_as_long_as_it_has_its_link(node: Node, resident: Daemon) -> None:
    resident.wait_for("2 network interfaces ready")
    node.metadata.remove(f"{MACS}/{SECONDARY}")
    resident.process.send_signal(signal.SIGUSR1)
    until(lambda: node.entry(SECONDARY)["state"] == "draining")
    assert node.ip("rule", "show", "priority", "32765")
    run(["ip", "-n", node.name, "link", "delete", "eth1"])
    until(lambda: SECONDARY not in node.state.read_text())
    assert not node.ip("rule", "show", "priority", "32765")


def test_pods_without_a_prefix_are_a_warning(node: Node) -> None:
    node.metadata.remove(f"{MACS}/{PRIMARY}/ipv4-prefix")
    started = Daemon(node)
    try:
        until((node.root / CONFLIST).exists)
        assert json.loads((node.root / CONFLIST).read_text())["plugins"][0]["ipMasq"] is True
        assert node.status()["state"] == "degraded"
    finally:
        assert started.stop() == 0


def test_imds_that_comes_late_is_waited_for(node: Node) -> None:
    node.metadata.fault("", Fault(status=503))
    started = Daemon(node)
    try:
        assert "READY=1" in started.next_notice(), "the unit is up, and its status says what it waits for"
        assert node.status()["state"] == "waiting"
        assert not node.state.exists()
        node.metadata.heal()
        started.wait_for("2 network interfaces ready")
    finally:
        assert started.stop() == 0


def monitor(name: str) -> socket.socket:
    """Return a socket that hears of every change of links, addresses, routes and rules in the namespace from now on.

    The kernel tells of a link's carrier up to a second after the change that caused it, so quiet is waited for.
    """
    groups = 0x1 | 0x10 | 0x40 | 0x80 | 0x100 | 0x400
    with namespaces.entered(name):
        listening = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE)
    listening.bind((0, groups))
    while select.select([listening], [], [], 1.2)[0]:
        listening.recv(65536)
    return listening


def changes_seen(listening: socket.socket) -> list[bytes]:
    with listening:
        try:
            return [listening.recv(65536)]
        except BlockingIOError:
            return []
