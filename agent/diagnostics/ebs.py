"""What an NVMe controller says of itself, and EBS of a volume: parsed from their pages.

https://docs.aws.amazon.com/ebs/latest/userguide/nvme-detailed-performance-stats.html has the layout of the statistics.
"""

import json
import struct
from collections.abc import Sequence
from typing import Any

from agent.outputs import NvmePages

_PAGE = 4096
_MAGIC = 0x3C23B510
_AMAZON = 0x1D0F
_COUNTERS = struct.Struct("<I4x11Q")
_NAMES = (
    *("totalReadOps", "totalWriteOps", "totalReadBytes", "totalWriteBytes"),
    *("totalReadMicroseconds", "totalWriteMicroseconds"),
    *("volumeIopsExceededMicroseconds", "volumeThroughputExceededMicroseconds"),
    *("instanceIopsExceededMicroseconds", "instanceThroughputExceededMicroseconds", "volumeQueueLength"),
)
# Histograms of latencies: the number of bins, then 64 of lower and upper bound and count.
_HISTOGRAMS = {"readLatency": 512, "writeLatency": 512 + 8 + 64 * 24}
_BIN = struct.Struct("<QQI4x")
_MOST_BINS = 64


def render(controllers: Sequence[NvmePages]) -> str:
    """Return what the pages say as JSON, a controller each."""
    return json.dumps([_controller(pages) for pages in controllers], indent=1) + "\n"


def _controller(pages: NvmePages) -> dict[str, Any]:
    return {
        "device": f"/dev/{pages.device}",
        **identity(pages.identify),
        "ebs": statistics(pages.statistics),
        "error": pages.error or None,
    }


def identity(page: bytes) -> dict[str, Any]:
    """Return what the identification of a controller says; EBS' serial is the volume's ID without its dash."""
    if len(page) < _PAGE:
        return {}
    serial = _text(page[4:24])
    vendor = int.from_bytes(page[:2], "little")
    volume = serial.replace("vol", "vol-", 1) if serial.startswith("vol") and "-" not in serial else serial
    return {
        "vendor": f"{vendor:#06x}",
        "model": _text(page[24:64]),
        "serial": serial,
        "firmware": _text(page[64:72]),
        "volume": volume if serial.startswith("vol") else None,
        # Amazon keeps the name of the block device mapping where the vendor's own bytes begin.
        "blockDevice": _text(page[3072:3104]) or None if vendor == _AMAZON else None,
    }


def statistics(page: bytes) -> dict[str, Any] | None:
    """Return EBS' statistics of a volume, or None where the page is another's."""
    if len(page) < _PAGE:
        return None
    magic, *counters = _COUNTERS.unpack_from(page)
    if magic != _MAGIC:
        return None
    return dict(zip(_NAMES, counters, strict=True)) | {
        name: _histogram(page, place) for name, place in _HISTOGRAMS.items()
    }


def _histogram(page: bytes, place: int) -> list[dict[str, int]]:
    count = min(int.from_bytes(page[place : place + 8], "little"), _MOST_BINS)
    bins = (_BIN.unpack_from(page, place + 8 + number * _BIN.size) for number in range(count))
    return [{"from": lower, "to": upper, "count": found} for lower, upper, found in bins if found]


def _text(raw: bytes) -> str:
    return raw.partition(b"\0")[0].decode("ascii", errors="replace").strip()
