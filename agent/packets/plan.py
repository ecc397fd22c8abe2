"""What a packet capture runs, and what its end means."""

import re
from collections.abc import Sequence

from agent.packet_capture import RAW, Ended, PacketRequest, PacketResult

# A node whose disk is fuller than this loses its pods; the peer stops there too.
_FULL = 0.90
# What stays free, and what may wait for a slow upload.
_RESERVE = 256 << 20
_MOST_WAITING = 2 << 30
# The kernel's buffer in KiB: without it a burst is lost while a chunk is closed.
_BUFFER_KIB = 16 << 10
_COUNTS = re.compile(r"^(\d+) packets? (captured|dropped by kernel)$", re.MULTILINE)
_LINE_LIMIT = 300


def capture_argv(request: PacketRequest, folder: str) -> list[str]:
    """Return the command; what a person wrote stands behind `--`, or is the checked name of an interface."""
    # Not --immediate-mode: that buffer holds some 250 packets of any size, and a burst is lost.
    buffers = ["-B", str(_BUFFER_KIB), "-U"]
    files = ["-w", f"{folder}/{RAW}", "-C", str(request.chunk_megabytes)]
    # In its sandbox it has no right to become another user.
    return ["tcpdump", "-n", "-Z", "root", *buffers, *files, *_interface(request), "--", *_expression(request)]


def check_argv(request: PacketRequest) -> list[str]:
    """Return the command that compiles the filter and captures nothing."""
    return ["tcpdump", "-d", "-Z", "root", *_interface(request), "--", *_expression(request)]


def disk_trouble(total: int, free: int, waiting: int) -> str:
    """Say why there is no room for more packets; nothing where there is."""
    if waiting > _MOST_WAITING:
        return f"{waiting >> 20} MiB wait for their upload, which is slower than the capture"
    if free < _RESERVE:
        return f"{free >> 20} MiB are left on the data volume"
    if total and 1 - free / total > _FULL:
        return f"the data volume is {100 * (1 - free / total):.0f} % full"
    return ""


def refusal(said: str) -> str:
    """Return what tcpdump complained about, in one line."""
    words = " ".join(line.removeprefix("tcpdump: ").strip() for line in said.splitlines())
    return words.strip()[-_LINE_LIMIT:] or "tcpdump ended without a word"


def result(ended: Ended, chunks: int, said: str, error: str = "") -> PacketResult:
    """Return the result of a capture, with the counts that tcpdump gave at its end."""
    counts = {kind: int(number) for number, kind in _COUNTS.findall(said)}
    hint = _HINTS[ended]
    return PacketResult(ended, chunks, counts.get("captured"), counts.get("dropped by kernel"), error, hint)


_HINTS = {
    Ended.DURATION: "",
    Ended.STOPPED: "",
    Ended.DISK: "narrow the filter, or capture for a shorter time",
    Ended.FAILED: "see interface and filter of the packetCapture; the node resolves no names in a filter",
    Ended.BROKEN_OFF: "edit or recreate the object",
}


def _interface(request: PacketRequest) -> Sequence[str]:
    return ("-i", request.interface) if request.interface else ()


def _expression(request: PacketRequest) -> Sequence[str]:
    return (request.expression,) if request.expression else ()
