"""Netlink messages without their sockets: headers and attributes (linux/netlink.h)."""

import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

# A buffer is looked into where it lies: a dump of many rules would else be copied attribute by attribute.
Buffer: TypeAlias = memoryview

REQUEST, ACK, INTERRUPTED = 0x1, 0x4, 0x10
REPLACE, EXCLUSIVE, CREATE = 0x100, 0x200, 0x400
DUMP = 0x300
ERROR, DONE = 2, 3

_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_ERROR = struct.Struct("=i")
_TYPE_MASK = 0x3FFF  # the two highest bits are flags


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it came; `body` is what follows the header."""

    kind: int
    flags: int
    sequence: int
    body: Buffer


def pack(kind: int, flags: int, sequence: int, body: bytes) -> bytes:
    """Return a message as it goes to the kernel."""
    return _HEADER.pack(_HEADER.size + len(body), kind, flags, sequence, 0) + _padded(body)


def attribute(kind: int, value: bytes) -> bytes:
    """Return an attribute, padded to the next."""
    return _padded(_ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value)


def u32(kind: int, value: int) -> bytes:
    """Return an attribute that holds a number."""
    return attribute(kind, struct.pack("=I", value))


def messages(buffer: Buffer) -> Iterator[Message]:
    """Give the messages of one datagram; what is cut short ends it."""
    at = 0
    while at + _HEADER.size <= len(buffer):
        length, kind, flags, sequence, _ = _HEADER.unpack_from(buffer, at)
        if not _HEADER.size <= length <= len(buffer) - at:
            return
        yield Message(kind, flags, sequence, buffer[at + _HEADER.size : at + length])
        at += _aligned(length)


def attributes(buffer: Buffer) -> dict[int, Buffer]:
    """Return the attributes by their number; of one that is there twice the last."""
    return dict(pairs(buffer))


def pairs(buffer: Buffer) -> Iterator[tuple[int, Buffer]]:
    """Give the attributes one by one."""
    at, end = 0, len(buffer)
    while at + 4 <= end:
        length, kind = _ATTRIBUTE.unpack_from(buffer, at)
        if length < 4 or at + length > end:
            return
        yield kind & _TYPE_MASK, buffer[at + 4 : at + length]
        at += _aligned(length)


def number(value: Buffer | None, default: int = 0) -> int:
    """Return the number in an attribute of up to 32 bits, or the default where there is no attribute."""
    return default if value is None else int.from_bytes(value, sys.byteorder)


def error(message: Message) -> int:
    """Return the errno that ends a dump or answers a change; 0 where it went well."""
    (code,) = _ERROR.unpack_from(message.body) if len(message.body) >= _ERROR.size else (0,)
    return -int(code)


def string(value: Buffer) -> str:
    """Return the text of an attribute."""
    return bytes(value).rstrip(b"\0").decode(errors="replace")


def _aligned(length: int) -> int:
    return (length + 3) & ~3


def _padded(content: bytes) -> bytes:
    return content + b"\0" * (-len(content) % 4)
