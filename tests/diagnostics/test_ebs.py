"""Pages as EBS gives them: laid out by hand after the published structure."""

import json
import struct

from hypothesis import given
from hypothesis import strategies as st

from agent.diagnostics import ebs
from agent.outputs import NvmePages

COUNTERS = (101, 102, 4096, 8192, 501, 502, 7, 8, 9, 10, 3)


def identify(vendor: int = 0x1D0F, serial: bytes = b"vol0123456789abcdef0") -> bytes:
    page = bytearray(4096)
    struct.pack_into(
        "<HH20s40s8s", page, 0, vendor, vendor, serial, b"Amazon Elastic Block Store".ljust(40), b"1.0     "
    )
    page[3072:3104] = b"/dev/xvda".ljust(32)
    return bytes(page)


def statistics(magic: int = 0x3C23B510) -> bytes:
    page = bytearray(4096)
    struct.pack_into("<I4x11Q", page, 0, magic, *COUNTERS)
    struct.pack_into("<Q", page, 512, 3)
    for number, row in enumerate([(0, 8, 5), (8, 16, 0), (16, 32, 6)]):
        struct.pack_into("<QQI4x", page, 520 + 24 * number, *row)
    struct.pack_into("<QQQI4x", page, 2056, 1, 0, 64, 9)
    return bytes(page)


def test_a_volume_says_which_it_is_and_how_it_fares() -> None:
    (found,) = json.loads(ebs.render([NvmePages("nvme1", identify(), statistics())]))
    assert (found["device"], found["volume"], found["blockDevice"]) == (
        "/dev/nvme1",
        "vol-0123456789abcdef0",
        "xvda",
    )
    assert (found["model"], found["firmware"], found["error"]) == ("Amazon Elastic Block Store", "1.0", None)
    assert list(found["ebs"].values())[:11] == list(COUNTERS)
    assert found["ebs"]["volumeIopsExceededMicroseconds"] == 7
    assert found["ebs"]["readLatency"] == [{"from": 0, "to": 8, "count": 5}, {"from": 16, "to": 32, "count": 6}]
    assert found["ebs"]["writeLatency"] == [{"from": 0, "to": 64, "count": 9}]


def test_a_disk_that_is_not_ebs() -> None:
    pages = NvmePages("nvme0", identify(0x1B36, b"deadbeef"), b"", "NVMe status 0x4109")
    (found,) = json.loads(ebs.render([pages]))
    assert (found["volume"], found["blockDevice"], found["ebs"]) == (None, None, None)
    assert found["error"] == "NVMe status 0x4109"
    assert ebs.statistics(statistics(magic=1)) is None
    (short,) = json.loads(ebs.render([NvmePages("nvme0", b"short", b"", "")]))
    assert "serial" not in short


@given(st.binary(max_size=100), st.integers(0, 4096))
def test_any_page_can_be_parsed(rubbish: bytes, place: int) -> None:
    page = (bytes(place) + rubbish * 50).ljust(4096, b"\xff")
    ebs.render([NvmePages("nvme0", page, struct.pack("<I", 0x3C23B510) + page[4:], "")])
