import random
from pathlib import Path

import pytest

from agent.errors import FailedError
from agent.host import blockdev, nvme_pages
from agent.model import Disk

MOUNTINFO = """\
22 1 254:0 / / ro,relatime shared:1 - squashfs /dev/mapper/root ro
30 22 259:5 / /mnt rw - ext4 /dev/nvme2n1p1 rw
31 22 0:40 / /var rw shared:9 master:2 - tmpfs tmpfs rw
"""


def disk(root: Path, name: str, *, dev: str, serial: str = "", sectors: int = 8) -> Path:
    """Lay a disk out as the kernel's sysfs does."""
    folder = root / "sys/block" / name
    (folder / "device").mkdir(parents=True)
    (folder / "holders").mkdir()
    (folder / "size").write_text(f"{sectors}\n")
    (folder / "dev").write_text(f"{dev}\n")
    (folder / "device/serial").write_text(f"{serial:<20}\n")
    return folder


def partition(folder: Path, name: str, *, dev: str, holder: str = "") -> None:
    (folder / name / "holders").mkdir(parents=True)
    (folder / name / "partition").write_text("1\n")
    (folder / name / "dev").write_text(f"{dev}\n")
    if holder:
        (folder / name / "holders" / holder).symlink_to("/nowhere")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/mountinfo").write_text(MOUNTINFO)
    return tmp_path


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "disk"
    with path.open("wb") as file:
        file.truncate(16 << 20)
    return path


def test_disks_with_their_use(root: Path) -> None:
    partition(disk(root, "nvme0n1", dev="259:0"), "nvme0n1p2", dev="259:2", holder="dm-0")
    disk(root, "nvme1n1", dev="259:3", serial="vol0123456789abcdef0", sectors=1 << 23)
    partition(disk(root, "nvme2n1", dev="259:4"), "nvme2n1p1", dev="259:5")
    (disk(root, "nvme3c3n1", dev="259:6") / "hidden").write_text("1\n")
    assert blockdev.read_disks(root) == [
        Disk("nvme0n1", "", 4096, in_use=True),
        Disk("nvme1n1", "vol0123456789abcdef0", 4 << 30, in_use=False),
        Disk("nvme2n1", "", 4096, in_use=True),
    ]


def test_disks_come_in_the_order_of_the_bus(root: Path) -> None:
    for slot, name in ((2, "nvme0n1"), (1, "nvme1n1")):
        disk(root, name, dev=f"259:{slot}").rename(root / f"slot{slot}")
        (root / "sys/block" / name).symlink_to(root / f"slot{slot}")
    assert [each.name for each in blockdev.read_disks(root)] == ["nvme1n1", "nvme0n1"]


def test_the_disks_of_this_machine_can_be_read() -> None:
    names = {path.name for path in Path("/sys/block").iterdir()}
    assert {each.name for each in blockdev.read_disks()} <= names


def test_what_is_no_nvme_disk_identifies_as_nothing(image: Path) -> None:
    assert nvme_pages.identify(image) == b""
    assert nvme_pages.identify(image.with_name("none")) == b""


def test_what_is_mounted_where(root: Path) -> None:
    assert blockdev.mounted_type("/var", root) == "tmpfs"
    assert blockdev.mounted_type("/srv", root) is None


def test_an_empty_disk_has_no_tags_and_a_made_file_system_has_its_own(image: Path) -> None:
    assert blockdev.probe(image) == {}
    blockdev.make_ext4(image, "node-data")
    tags = blockdev.probe(image)
    assert (tags["TYPE"], tags["LABEL"]) == ("ext4", "node-data")


def test_random_bytes_are_nothing_that_is_known(image: Path) -> None:
    image.write_bytes(random.Random(1).randbytes(1 << 20))
    assert blockdev.probe(image) == {}


def test_a_partition_table_is_seen(image: Path) -> None:
    with image.open("r+b") as disk:
        disk.seek(446)
        disk.write(bytes.fromhex("00000200830000000008000000700000"))
        disk.seek(510)
        disk.write(b"\x55\xaa")
    assert blockdev.probe(image)["PTTYPE"] == "dos"


def test_a_disk_that_cannot_be_read_is_not_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(FailedError, match="cannot read"):
        blockdev.probe(tmp_path / "none")


def test_a_file_system_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.write_bytes(b"\0" * 4096)
    with pytest.raises(FailedError, match=r"cannot make a file system on .*small"):
        blockdev.make_ext4(small, "node-data")
