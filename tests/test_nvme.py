"""Identify pages as EC2's controllers give them, laid out by the specification and by ebsnvme-id."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import nvme
from agent.nvme import Controller

AMAZON = 0x1D0F
EBS = "Amazon Elastic Block Store"
INSTANCE_STORE = "Amazon EC2 NVMe Instance Storage"


def page(vendor: int, serial: str, model: str, name: bytes) -> bytes:
    """Lay an identify page out: text is padded with spaces, EC2's own field sometimes with NULs."""
    whole = bytearray(nvme.PAGE_BYTES)
    whole[0:4] = vendor.to_bytes(2, "little") * 2
    whole[4:24] = serial.ljust(20).encode()
    whole[24:64] = model.ljust(40).encode()
    whole[64:72] = b"1.0     "
    whole[3072 : 3072 + len(name)] = name
    return bytes(whole)


@pytest.mark.parametrize(
    ("serial", "model", "written", "name"),
    [
        ("vol0123456789abcdef0", EBS, b"/dev/xvdb".ljust(32), "xvdb"),
        ("vol0123456789abcdef0", EBS, b"xvdb".ljust(32, b"\0"), "xvdb"),
        ("vol0123456789abcdef0", EBS, b"/dev/sda1".ljust(32), "xvda1"),
        ("vol0123456789abcdef0", EBS, b"/dev/xvdba".ljust(32), "xvdba"),
        ("vol0123456789abcdef0", EBS, b"", ""),
        ("AWS1A2B3C4D5E6F70819", INSTANCE_STORE, b"ephemeral0:sdc".ljust(32, b"\0"), "xvdc"),
        ("AWS1A2B3C4D5E6F70819", INSTANCE_STORE, b"ephemeral0:none".ljust(32, b"\0"), ""),
    ],
)
def test_a_page_tells_serial_model_and_place(serial: str, model: str, written: bytes, name: str) -> None:
    assert nvme.parse(page(AMAZON, serial, model, written)) == Controller(serial, model, name, "1.0")


@pytest.mark.parametrize("content", [b"", page(AMAZON, "a", "b", b"c")[:-1]])
def test_what_is_no_whole_page_tells_nothing(content: bytes) -> None:
    assert nvme.parse(content) is None


def test_another_maker_s_bytes_are_no_name() -> None:
    found = nvme.parse(page(0x1B36, "deadbeef", "QEMU", b"xvdb"))
    assert found is not None
    assert (found.device_name, found.volume) == ("", "")


def test_a_volume_s_serial_is_its_id_without_the_dash() -> None:
    found = nvme.parse(page(AMAZON, "vol0123456789abcdef0", EBS, b""))
    assert found is not None
    assert found.volume == "vol-0123456789abcdef0"


@given(st.binary(max_size=32))
def test_any_name_can_be_read(written: bytes) -> None:
    found = nvme.parse(page(AMAZON, "vol0123456789abcdef0", EBS, written))
    assert found is not None
    assert nvme.device_name(found.device_name) == found.device_name
