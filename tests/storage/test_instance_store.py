import json
import re

import pytest

from agent.errors import SettingsError
from agent.model import Disk
from agent.storage.instance_store import (
    ARRAY,
    Layout,
    Target,
    Wish,
    disks,
    layout,
    mount_points,
    parse,
    unit_name,
    units,
)
from agent.storage.plan import Probed, Signature

GIB = 1 << 30
RAID0 = Wish("RAID0", "/mnt/k8s-disks/0", "xfs", ("/var/lib/containerd", "/var/log/pods"))
MOUNT = Wish("Mount", "/mnt/k8s-disks", "xfs", ())
MEMBER = Signature("linux_raid_member", "any:node-local")
FOREIGN = Signature("ext4", "precious")


def disk(number: int, *, in_use: bool = False) -> Disk:
    return Disk(f"nvme{number}n1", f"AWS{number:017d}", 100 * GIB, in_use)


FOUR = [disk(number) for number in range(1, 5)]


def empty(count: int) -> list[Probed]:
    return [(each, None) for each in FOUR[:count]]


def test_the_instance_store_is_known_by_model_or_serial() -> None:
    by_model = Disk("nvme5n1", "0123", GIB, in_use=False, model="Amazon EC2 NVMe Instance Storage")
    others = [Disk("nvme0n1", "vol0123456789abcdef0", GIB, in_use=True), Disk("loop0", "", GIB, in_use=False)]
    assert disks([*others, FOUR[0], by_model]) == [FOUR[0], by_model]


@pytest.mark.parametrize(
    ("wish", "probed", "targets"),
    [
        (RAID0, empty(1), (Target("/dev/nvme1n1", (FOUR[0],)),)),
        (RAID0, empty(2), (Target(ARRAY, tuple(FOUR[:2]), is_there=False),)),
        (RAID0, [(each, MEMBER) for each in FOUR[:2]], (Target(ARRAY, tuple(FOUR[:2])),)),
        (RAID0, [(FOUR[0], MEMBER), (FOUR[1], None)], (Target(ARRAY, tuple(FOUR[:2]), is_there=False),)),
        (Wish("RAID10", "/mnt/a/0", "ext4", ()), empty(4), (Target(ARRAY, tuple(FOUR), is_there=False),)),
        (MOUNT, empty(2), tuple(Target(f"/dev/{each.name}", (each,)) for each in FOUR[:2])),
        (MOUNT, [(FOUR[0], Signature("xfs", "node-local"))], (Target("/dev/nvme1n1", (FOUR[0],)),)),
    ],
    ids=["one disk", "two", "made before", "half made", "RAID10", "each by itself", "a second boot"],
)
def test_the_layout(wish: Wish, probed: list[Probed], targets: tuple[Target, ...]) -> None:
    assert layout(wish, probed) == Layout(targets)


@pytest.mark.parametrize(
    ("wish", "probed", "problem"),
    [
        (RAID0, [], "RAID0 needs 1 disks of the instance store, and there are 0"),
        (
            Wish("RAID10", "/mnt/a/0", "xfs", ()),
            empty(2),
            "RAID10 needs 4 disks of the instance store, and there are 2",
        ),
        (RAID0, [(FOUR[0], FOREIGN)], "nvme1n1 carries ext4, which is not ours and stays untouched"),
    ],
)
def test_what_cannot_be_made_has_a_reason(wish: Wish, probed: list[Probed], problem: str) -> None:
    chosen = layout(wish, probed)
    assert chosen.targets == ()
    assert problem in chosen.problem


def test_a_foreign_disk_is_left_out_and_named() -> None:
    chosen = layout(RAID0, [(FOUR[0], FOREIGN), (FOUR[1], None)])
    assert chosen.targets == (Target("/dev/nvme2n1", (FOUR[1],)),)
    assert "nvme1n1 carries ext4" in chosen.problem


def test_the_units_mount_the_target_and_bind_the_folders() -> None:
    target = Target("/dev/nvme1n1", (FOUR[0],))
    mount, containerd, pods = units(RAID0, mount_points(RAID0, [target]))
    assert mount.path == r"/run/systemd/system/mnt-k8s\x2ddisks-0.mount"
    assert "What=/dev/nvme1n1\nWhere=/mnt/k8s-disks/0\nType=xfs\nOptions=nodev" in mount.content.decode()
    assert containerd.path == "/run/systemd/system/var-lib-containerd.mount"
    text = containerd.content.decode()
    assert "RequiresMountsFor=/mnt/k8s-disks/0/var/lib/containerd\n" in text
    assert "What=/mnt/k8s-disks/0/var/lib/containerd\nWhere=/var/lib/containerd\nType=none\nOptions=bind\n" in text
    assert "What=/mnt/k8s-disks/0/var/log/pods\n" in pods.content.decode()
    assert "Before=containerd.service kubelet.service\n" in text


def test_folders_that_end_alike_do_not_share_a_place() -> None:
    wish = Wish("RAID0", "/mnt/.ephemeral", "xfs", ("/mnt/a/data", "/mnt/b/data", "/mnt/a_data"))
    _, *binds = units(wish, mount_points(wish, [Target("/dev/nvme1n1", (FOUR[0],))]))
    assert [re.findall("What=(.*)", unit.content.decode())[0] for unit in binds] == [
        "/mnt/.ephemeral/mnt/a/data",
        "/mnt/.ephemeral/mnt/b/data",
        "/mnt/.ephemeral/mnt/a_data",
    ]


def test_each_disk_by_itself_is_numbered() -> None:
    targets = [Target("/dev/nvme1n1", (FOUR[0],)), Target("/dev/nvme2n1", (FOUR[1],))]
    assert [where for _, where in mount_points(MOUNT, targets)] == ["/mnt/k8s-disks/0", "/mnt/k8s-disks/1"]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/mnt/.ephemeral", r"mnt-.ephemeral.mount"),
        ("/mnt/k8s-disks/0", r"mnt-k8s\x2ddisks-0.mount"),
        ("/.a/b_c:d", r"\x2ea-b_c:d.mount"),
    ],
)
def test_unit_names_are_escaped_as_systemd_does(path: str, name: str) -> None:
    assert unit_name(path) == name


def test_a_wish_is_read_back() -> None:
    body = {"schemaVersion": 1, "strategy": "RAID0", "mount": "/mnt/a", "fileSystem": "xfs", "binds": ["/var/lib/a"]}
    assert parse(json.dumps(body)) == Wish("RAID0", "/mnt/a", "xfs", ("/var/lib/a",))
    with pytest.raises(SettingsError, match="run node-agent configure"):
        parse("{}")
