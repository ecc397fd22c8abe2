"""Identify pages of EC2 controllers: the fields and the vendor bytes that `nvme id-ctrl -v` printed on instances."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import nvme
from agent.nvme import Controller

AMAZON = 0x1D0F
EBS = "Amazon Elastic Block Store"
INSTANCE_STORE = "Amazon EC2 NVMe Instance Storage"
# What was printed of an EBS volume: rab, ieee, mdts, frmw, npss, avscc, sqes, cqes, nn and vwc, by their places.
RECORDED = {72: "20", 73: "a002dc", 77: "06", 260: "03", 263: "01", 264: "01", 512: "6644", 516: "01000000", 525: "01"}
# The vendor's part as it was dumped: /dev/sdj of the EBS user guide, attached by hand; sda1, a root volume; ephemeral0.
ATTACHED = bytes.fromhex("2f 64 65 76 2f 73 64 6a" + "20" * 24)
AT_LAUNCH = bytes.fromhex("73 64 61 31" + "20" * 28)
LOCAL = bytes.fromhex("65 70 68 65 6d 65 72 61 6c 30 3a 73 64 68" + "00" * 18)


def page(vendor: int, serial: str, model: str, name: bytes) -> bytes:
    """Lay an identify page out: text is padded with spaces, EC2's own field sometimes with NULs."""
    whole = bytearray(nvme.PAGE_BYTES)
    for place, recorded in RECORDED.items():
        value = bytes.fromhex(recorded)
        whole[place : place + len(value)] = value
    whole[0:4] = vendor.to_bytes(2, "little") * 2
    whole[4:24] = serial.ljust(20).encode()
    whole[24:64] = model.ljust(40).encode()
    whole[64:72] = b"1.0     "
    whole[3072 : 3072 + len(name)] = name
    return bytes(whole)


@pytest.mark.parametrize(
    ("serial", "model", "written", "name"),
    [
        ("vol0123456789abcdef0", EBS, ATTACHED, "xvdj"),
        ("vol0123456789abcdef0", EBS, AT_LAUNCH, "xvda1"),
        ("AWS1A2B3C4D5E6F70819", INSTANCE_STORE, LOCAL, "xvdh"),
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
