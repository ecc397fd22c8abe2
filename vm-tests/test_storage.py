"""Disks of a running node: the instance store becomes an array; a second configure is quiet."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

import guest
from world import qemu
from world.node import Node
from world.waiting import until

pytestmark = [pytest.mark.vm, pytest.mark.full]
GIB = 1 << 30
CONFIGURE = "node-agent-configure.service"
INSTANCE_STORE = "node-agent-instance-store.service"
# systemd's "a unit has started" (sd-messages.h).
STARTED = "39f53479d3a045ac8e11786248231fbf"
OVERRIDE = "/etc/node-agent/conf.d/50-test.toml"
COMMANDS = """
[settings.bootstrap-commands.000-mount-instance-storage]
commands = [["apiclient", "ephemeral-storage", "init"], ["apiclient", "ephemeral-storage", "bind", "--dirs", "/mnt/a"]]
mode = "always"
"""
PORTS = (3, 4)  # the last ones: interfaces take the first


@contextmanager
def instance_store(node: Node) -> Iterator[None]:
    """Plug two disks of an instance store in, and out again."""
    for port in PORTS:
        path = node.folder.path / f"local{port}.raw"
        with path.open("wb") as disk:
            disk.truncate(GIB)
        node._monitor.execute(
            "blockdev-add", driver="raw", node_name=f"l{port}", file={"driver": "file", "filename": str(path)}
        )
        disk_of = {"driver": "nvme", "id": f"local{port}", "drive": f"l{port}", "serial": f"AWS{port:017d}"}
        node._monitor.execute("device_add", **disk_of, bus=qemu.hotplug_port(port))
    until(lambda: guest.run(node, "cat /sys/block/nvme*/device/serial").count("AWS") == len(PORTS), 60, "two disks")
    try:
        yield
    finally:
        for port in PORTS:
            node._monitor.execute("device_del", id=f"local{port}")
            node._monitor.wait_event("DEVICE_DELETED", 60, device=f"local{port}")
            node._monitor.execute("blockdev-del", node_name=f"l{port}")


def test_karpenter_s_commands_make_an_array_of_the_instance_store(node: Node) -> None:
    with instance_store(node):
        guest.run(
            node,
            f"cat >{OVERRIDE} <<'END'{COMMANDS}END\nsystemctl reload {CONFIGURE} && systemctl restart {INSTANCE_STORE}",
            300,
        )
        try:
            found = guest.status(node, "instance-store")
            assert found["state"] == "ok", found["message"]
            assert guest.run(node, "findmnt -no FSTYPE,LABEL /mnt/.ephemeral").split() == ["xfs", "node-local"]
            assert "raid0" in guest.run(node, "cat /proc/mdstat")
            guest.run(node, "touch /mnt/a/kept && test -e /mnt/.ephemeral/mnt/a/kept")
            guest.run(node, f"systemctl restart {INSTANCE_STORE}; test -e /mnt/a/kept", 300)
        finally:
            guest.run(node, f"umount /mnt/a /mnt/.ephemeral; mdadm --stop /dev/md/node-local; rm {OVERRIDE}", 300)
            guest.run(node, f"systemctl reload {CONFIGURE}; systemctl stop {INSTANCE_STORE}", 300)


def test_a_second_configure_changes_and_restarts_nothing(node: Node) -> None:
    units = ("containerd.service", "kubelet.service")
    written = "find /etc -newer /run/before -type f | grep -v '^/etc/node-agent/conf.d/' || true"
    before = [guest.main_pid(node, unit) for unit in units]
    guest.run(node, f"touch /run/before; systemctl reload {CONFIGURE}", 300)
    assert guest.run(node, written) == ""
    assert [guest.main_pid(node, unit) for unit in units] == before


def starts(node: Node) -> list[int]:
    """Return how often containerd and kubelet have started since the boot."""
    count = f"journalctl --sync; journalctl -q -b -o cat MESSAGE_ID={STARTED} UNIT={{}} | wc -l"
    return [int(guest.run(node, count.format(unit))) for unit in ("containerd.service", "kubelet.service")]


def test_a_changed_proxy_restarts_containerd_and_kubelet_once(node: Node) -> None:
    before = starts(node)
    once = [number + 1 for number in before]
    proxy = '[settings.network]\nhttps-proxy = "http://10.99.0.1:3128"\n'
    kubelet = guest.main_pid(node, "kubelet.service")
    containerd = guest.main_pid(node, "containerd.service")
    guest.run(node, f"printf '{proxy}' >{OVERRIDE} && systemctl reload {CONFIGURE}", 300)
    try:
        until(lambda: guest.main_pid(node, "kubelet.service") not in {0, kubelet}, 120, "kubelet has started anew")
        assert guest.main_pid(node, "containerd.service") not in {0, containerd}
        environment = guest.run(node, "tr '\\0' '\\n' <\"/proc/$(pidof kubelet)/environ\"")
        assert "HTTPS_PROXY=http://10.99.0.1:3128\n" in environment
        until(lambda: starts(node) == once, 120, "both have started anew")
        guest.run(node, f"systemctl reload {CONFIGURE}", 300)
        assert starts(node) == once
    finally:
        guest.run(node, f"rm {OVERRIDE}; systemctl reload {CONFIGURE}", 300)
    node.wait_ready(300)
