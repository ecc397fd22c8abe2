"""What an NVMe controller says of itself, and EBS of a volume.

https://docs.aws.amazon.com/ebs/latest/userguide/nvme-detailed-performance-stats.html has the layout of the statistics.
"""

import json
import struct
from collections.abc import Sequence
from typing import Any

from agent import nvme
from agent.outputs import NvmePages

_MAGIC = 0x3C23B510
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
        **_identity(pages.identify),
        "ebs": statistics(pages.statistics),
        "error": pages.error or None,
    }


def _identity(page: bytes) -> dict[str, Any]:
    found = nvme.parse(page)
    if found is None:
        return {}
    return {
        "vendor": f"{found.vendor:#06x}",
        "model": found.model,
        "serial": found.serial,
        "firmware": found.firmware,
        "volume": found.volume or None,
        "blockDevice": found.device_name or None,
    }


def statistics(page: bytes) -> dict[str, Any] | None:
    """Return EBS' statistics of a volume, or None where the page is another's."""
    if len(page) < nvme.PAGE_BYTES:
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
