"""Whole runs below a root of their own: the disk is an image file, blkid and mkfs are real, systemd is not asked."""

import json
from pathlib import Path

import pytest

from agent.host import blockdev
from agent.storage import daemon

SERIAL = "vol0123456789abcdef0"
SIZE = 32 << 20


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "dev").mkdir()
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/mountinfo").write_text("22 1 254:0 / / ro shared:1 - squashfs /dev/dm-0 ro\n")
    return tmp_path


def attach(root: Path, serial: str = SERIAL) -> Path:
    folder = root / "sys/block/nvme1n1"
    (folder / "device").mkdir(parents=True)
    (folder / "device/serial").write_text(f"{serial}\n")
    (folder / "size").write_text(f"{SIZE // 512}\n")
    (folder / "dev").write_text("259:3\n")
    device = root / "dev/nvme1n1"
    with device.open("wb") as file:
        file.truncate(SIZE)
    return device


def unit(root: Path) -> str:
    return (root / "run/systemd/system/var.mount").read_text()


def status(root: Path, name: str = "storage") -> dict[str, object]:
    body: dict[str, object] = json.loads((root / f"run/node-agent/{name}.json").read_text())
    return body


def test_an_empty_volume_gets_our_file_system_once(root: Path) -> None:
    device = attach(root)
    daemon.prepare(root, patience=0)
    assert blockdev.probe(device)["LABEL"] == "node-data"
    assert "What=/dev/nvme1n1\n" in unit(root)
    assert status(root)["state"] == "ok"
    made = blockdev.probe(device)["UUID"]
    daemon.prepare(root, patience=0)
    assert blockdev.probe(device)["UUID"] == made
    assert "systemd-fsck@" in unit(root)


def test_a_foreign_volume_stays_byte_for_byte(root: Path) -> None:
    device = attach(root)
    blockdev.make_ext4(device, "precious")
    before = device.read_bytes()
    daemon.prepare(root, patience=0)
    assert device.read_bytes() == before
    assert "Type=tmpfs\n" in unit(root)
    body = status(root)
    assert body["state"] == "degraded"
    assert "carries ext4, which is not ours" in str(body["message"])
    assert "attach an empty EBS volume" in str(body["message"])


def test_without_a_volume_there_is_memory_and_a_reason(root: Path) -> None:
    daemon.prepare(root, patience=0)
    assert "Type=tmpfs\n" in unit(root)
    assert "there is no data volume" in str(status(root)["message"])


def test_a_volume_that_cannot_be_read_is_not_formatted(root: Path) -> None:
    attach(root).unlink()
    daemon.prepare(root, patience=0)
    assert "Type=tmpfs\n" in unit(root)
    assert "cannot read" in str(status(root)["message"])


def test_a_volume_that_cannot_be_formatted_is_said(root: Path) -> None:
    device = attach(root)
    with device.open("wb") as file:
        file.truncate(4096)
    daemon.prepare(root, patience=0)
    assert "Type=tmpfs\n" in unit(root)
    assert "cannot make a file system" in str(status(root)["message"])


def test_what_is_mounted_already_is_left_alone(root: Path) -> None:
    device = attach(root)
    with (root / "proc/self/mountinfo").open("a") as file:
        file.write("31 22 0:40 / /var rw - tmpfs tmpfs rw\n")
    daemon.prepare(root, patience=0)
    assert blockdev.probe(device) == {}
    assert not (root / "run").exists()


def wish(root: Path) -> None:
    (root / "etc/node-agent").mkdir(parents=True)
    body = {"strategy": "RAID0", "mount": "/mnt/.ephemeral", "fileSystem": "ext4", "binds": ["/var/lib/containerd"]}
    (root / "etc/node-agent/instance-store.json").write_text(json.dumps(body))


def test_a_disk_of_the_instance_store_is_made_once_and_mounted(root: Path) -> None:
    device = attach(root, "AWS0123456789ABCDEF0")
    wish(root)
    daemon.use_instance_store(root)
    made = blockdev.probe(device)
    assert made["LABEL"] == "node-local"
    assert {path.name for path in (root / "run/systemd/system").iterdir()} == {
        "mnt-.ephemeral.mount",
        "var-lib-containerd.mount",
    }
    assert status(root, "instance-store")["state"] == "ok"
    daemon.use_instance_store(root)
    assert blockdev.probe(device)["UUID"] == made["UUID"]


def test_a_wish_without_disks_is_said_and_nothing_is_mounted(root: Path) -> None:
    attach(root)
    wish(root)
    daemon.use_instance_store(root)
    body = status(root, "instance-store")
    assert body["state"] == "degraded"
    assert "RAID0 needs 1 disks of the instance store, and there are 0" in str(body["message"])
    assert not (root / "run/systemd").exists()


def test_a_disk_of_the_instance_store_that_cannot_be_read_is_said(root: Path) -> None:
    attach(root, "AWS0123456789ABCDEF0").unlink()
    wish(root)
    daemon.use_instance_store(root)
    body = status(root, "instance-store")
    assert (body["state"], body["disks"]) == ("degraded", [])
    assert "cannot read" in str(body["message"])


def test_without_a_wish_the_instance_store_is_left_alone(root: Path) -> None:
    device = attach(root, "AWS0123456789ABCDEF0")
    daemon.use_instance_store(root)
    assert blockdev.probe(device) == {}
    assert not (root / "run").exists()
