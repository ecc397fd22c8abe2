from collections.abc import Sequence
from dataclasses import replace

import pytest

from agent.model import Disk
from agent.storage import plan as planning
from agent.storage.plan import Format, Memory, Mount, Plan, Probed, Seen, Signature, candidates, mount_unit

GIB = 1 << 30
DATA = Disk("nvme1n1", "vol0123456789abcdef0", 4 * GIB, in_use=False)
OTHER = Disk("nvme2n1", "vol0fedcba9876543210", GIB, in_use=False)
OURS = Signature("ext4", "node-data", 4 * GIB)


def seen(probed: Sequence[Probed]) -> Seen:
    """Return what is seen of disks on a machine whose root volume tells its name if one of them does."""
    return Seen(tuple(probed), are_named=any(disk.device_name for disk, _ in probed))


def decide(probed: Sequence[Probed]) -> Plan:
    return planning.decide(seen(probed))


def is_certain(probed: Sequence[Probed]) -> bool:
    return planning.is_certain(seen(probed))


def test_candidates_are_unused_volumes() -> None:
    disks = [
        Disk("nvme0n1", "vol00000000000000000", GIB, in_use=True),
        Disk("nvme10n1", "vol00000000000000010", GIB, in_use=False),
        DATA,
        Disk("nvme3n1", "AWS1234567890ABCDEF0", GIB, in_use=False),
        Disk("nvme4n1", "vol00000000000000004", 0, in_use=False),
        Disk("vda", "vol00000000000000005", GIB, in_use=False),
        Disk("loop0", "", GIB, in_use=False),
    ]
    assert [disk.name for disk in candidates(disks)] == ["nvme10n1", "nvme1n1"]


@pytest.mark.parametrize(
    ("probed", "plan"),
    [
        ([(DATA, None)], Format(DATA)),
        ([(DATA, OURS)], Mount(DATA, "ext4", grow=False)),
        ([(DATA, Signature("ext4", "node-data", 2 * GIB))], Mount(DATA, "ext4", grow=True)),
        ([(DATA, Signature("xfs", "node-data"))], Mount(DATA, "xfs", grow=True)),
        ([(DATA, None), (OTHER, Signature("ext4", "node-data", GIB))], Mount(OTHER, "ext4", grow=False)),
        ([(DATA, None), (OTHER, None)], Format(DATA)),
        ([(DATA, Signature("ext4", "pgdata")), (OTHER, None)], Format(OTHER)),
    ],
    ids=["empty", "ours", "ours, grown", "size unknown", "ours before empty", "first empty", "next empty"],
)  # fmt: skip
def test_the_plan(probed: list[tuple[Disk, Signature | None]], plan: Plan) -> None:
    assert decide(probed) == plan


@pytest.mark.parametrize(
    "found",
    [
        Signature("ext4"),
        Signature("ext4", "other"),
        Signature("crypto_LUKS"),
        Signature("vfat", "node-data"),
        Signature("a partition table (gpt)"),
    ],
)
def test_what_is_not_ours_stays_untouched(found: Signature) -> None:
    plan = decide([(DATA, found)])
    assert isinstance(plan, Memory)
    assert f"nvme1n1 (vol0123456789abcdef0) carries {found.kind}" in plan.reason


def named(disk: Disk, name: str) -> Disk:
    return replace(disk, device_name=name)


def test_among_empty_disks_the_name_of_the_data_volume_decides() -> None:
    far, near = named(DATA, "xvdc"), named(OTHER, "xvdb")
    assert decide([(far, None), (near, None)]) == Format(near)
    assert is_certain([(far, None), (near, None)])
    assert decide([(far, None)]) == Format(far)
    assert not is_certain([(far, None)])


def test_where_no_disk_tells_a_name_each_may_be_the_data_volume() -> None:
    assert is_certain([(DATA, None)])
    assert is_certain([(DATA, OURS)])


def test_our_file_system_counts_more_than_any_name() -> None:
    ours = named(OTHER, "xvdf")
    probed = [(named(DATA, "xvdb"), None), (ours, Signature("ext4", "node-data", GIB))]
    assert decide(probed) == Mount(ours, "ext4", grow=False)
    assert not is_certain(probed)


def test_of_two_that_are_ours_the_one_in_the_data_volume_s_place_counts() -> None:
    far, near = (named(DATA, "xvdf"), OURS), (named(OTHER, "xvdb"), Signature("ext4", "node-data", GIB))
    assert decide([far, near]) == Mount(near[0], "ext4", grow=False)
    assert is_certain([far, near])


@pytest.mark.parametrize("name", ["xvdaa", "xvdba", "xvddx"])
def test_a_pod_s_volume_is_not_ours_whatever_its_label(name: str) -> None:
    pods = (named(DATA, name), OURS)
    plan = decide([pods])
    assert isinstance(plan, Memory)
    assert f"nvme1n1 (vol0123456789abcdef0, {name}) is named as a pod's volume" in plan.reason
    assert not is_certain([pods])
    empty = named(OTHER, "xvdb")
    assert decide([pods, (empty, None)]) == Format(empty)


def test_an_empty_disk_without_a_name_is_not_formatted_where_others_tell_theirs() -> None:
    """The root volume told its name: this is EC2, and the disk is any volume whose identify page could not be read."""
    alone = Seen(((DATA, None),), are_named=True)
    plan = planning.decide(alone)
    assert isinstance(plan, Memory)
    assert "nvme1n1 (vol0123456789abcdef0) tells no device name, as other disks do" in plan.reason
    assert not planning.is_certain(alone)
    near = named(OTHER, "xvdb")
    assert decide([(DATA, None), (near, None)]) == Format(near)


def test_our_disk_without_a_name_is_used_once_no_better_one_comes() -> None:
    alone = Seen(((DATA, OURS),), are_named=True)
    assert planning.decide(alone) == Mount(DATA, "ext4", grow=False)
    assert not planning.is_certain(alone)
    near = named(OTHER, "xvdb")
    assert decide([(DATA, OURS), (near, OURS)]) == Mount(near, "ext4", grow=False)


def test_a_pod_s_empty_volume_is_never_formatted() -> None:
    plan = decide([(named(DATA, "xvdba"), None)])
    assert isinstance(plan, Memory)
    assert "nvme1n1 (vol0123456789abcdef0, xvdba) is named as a pod's volume" in plan.reason
    assert not is_certain([(named(DATA, "xvdba"), None)])


def test_no_disk_is_memory() -> None:
    assert decide([]) == Memory("there is no data volume")


def test_the_mount_unit_of_a_disk() -> None:
    unit = mount_unit("/dev/nvme1n1", "ext4", check=True)
    assert unit.path == "/run/systemd/system/var.mount"
    assert unit.content.decode() == (
        "[Unit]\n"
        "Description=Data volume\n"
        "DefaultDependencies=no\n"
        "Wants=systemd-fsck@dev-nvme1n1.service\n"
        "After=systemd-fsck@dev-nvme1n1.service\n"
        "Conflicts=umount.target\n"
        "Before=local-fs.target umount.target\n"
        "\n"
        "[Mount]\n"
        "What=/dev/nvme1n1\n"
        "Where=/var\n"
        "Type=ext4\n"
        "Options=nodev,noatime,nosuid\n"
    )


def test_the_mount_unit_of_memory() -> None:
    lines = mount_unit(None, "tmpfs").content.decode().splitlines()
    assert {"What=tmpfs", "Type=tmpfs", "Options=nodev,noatime,nosuid,mode=0755"} <= set(lines)
    assert not any("fsck" in line for line in lines)
