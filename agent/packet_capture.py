"""A packet capture as the diagnostics daemon and the capturing process tell each other of it: files of one folder.

`request.json` is written before the capture begins, `result.json` when it has ended, `sent.json` after each upload;
finished chunks are `capture.pcapNNNNN.gz`, and are removed once they are uploaded.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, TypeVar

from agent.errors import FailedError

FOLDER = "/var/lib/node-agent/packets"
REQUEST = "request.json"
RESULT = "result.json"
SENT = "sent.json"
# What tcpdump writes: the first chunk has no number (tcpdump(8), -C).
RAW = "capture.pcap"
_CHUNK = re.compile(rf"{re.escape(RAW)}(\d{{5,}})\.gz")
_RAW_CHUNK = re.compile(rf"{re.escape(RAW)}(\d*)")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PacketRequest:
    """What is captured, for which generation of which object; where it goes is a secret, and stays in memory."""

    capture_id: str
    uid: str
    generation: int
    name: str
    started_at: str
    seconds: int
    chunk_megabytes: int
    interface: str = ""
    expression: str = ""
    previous: str = ""

    def dump(self) -> bytes:
        return _dump(asdict(self))


class Ended(StrEnum):
    """Why a capture ended."""

    DURATION = "duration"
    STOPPED = "stopped"
    DISK = "disk"
    FAILED = "failed"
    BROKEN_OFF = "broken off"


@dataclass(frozen=True, slots=True)
class PacketResult:
    """How a capture ended; `packets` and `dropped` are tcpdump's own count, None where it could not say."""

    ended: Ended
    chunks: int
    packets: int | None = None
    dropped: int | None = None
    error: str = ""
    hint: str = ""

    def dump(self) -> bytes:
        return _dump(asdict(self))


@dataclass(frozen=True, slots=True)
class Sent:
    """What has been uploaded, and why the next chunk cannot be."""

    chunks: int = 0
    size: int = 0
    error: str = ""

    def dump(self) -> bytes:
        return _dump(asdict(self))


def parse_request(content: bytes) -> PacketRequest:
    return _parsed(PacketRequest, content)


def parse_result(content: bytes) -> PacketResult:
    found = _parsed(PacketResult, content)
    return PacketResult(Ended(found.ended), found.chunks, found.packets, found.dropped, found.error, found.hint)


def parse_sent(content: bytes) -> Sent:
    return _parsed(Sent, content)


def chunk_name(number: int) -> str:
    """Return the name of a finished chunk, and of its object, as the peer has it."""
    return f"{RAW}{number:05}.gz"


def finished_chunks(names: Iterable[str]) -> list[str]:
    """Return the chunks that can be uploaded, in their order."""
    found = ((int(match[1]), match[0]) for match in map(_CHUNK.fullmatch, names) if match)
    return [name for _, name in sorted(found)]


def raw_chunks(names: Iterable[str]) -> list[tuple[int, str]]:
    """Return the numbers and names of what tcpdump wrote, in their order; all but the last are closed."""
    found = (match for match in map(_RAW_CHUNK.fullmatch, names) if match)
    return sorted((int(match[1] or 0), match[0]) for match in found)


def _dump(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, sort_keys=True).encode()


def _parsed(kind: type[T], content: bytes) -> T:
    try:
        return kind(**json.loads(content))
    except (ValueError, TypeError) as error:
        raise FailedError("a file of the packet capture is not one of ours", hint="remove its folder") from error
