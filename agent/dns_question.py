"""A question to one DNS server, and how it was taken: its address records are the node's resolver's affair.

Format: RFC 1035, section 4.1; response codes: RFC 1035 and IANA's "DNS RCODEs".
"""

import struct
from typing import NamedTuple

_HEADER = struct.Struct("!6H")
_RECURSION_DESIRED = 0x0100
_IS_ANSWER = 0x8000
_TYPE_A_CLASS_IN = b"\x00\x01\x00\x01"
_CODES = ("NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED")
_LONGEST_LABEL = 63
_LONGEST_NAME = 253


class Taken(NamedTuple):
    """How a server took a question: the code that it answered and after how many seconds, or no code for no answer."""

    server: str
    code: str = ""
    seconds: float = 0.0


def is_name(text: str) -> bool:
    """Return whether labels and name are as long as DNS has them (RFC 1035, 2.3.4)."""
    fits = len(text) <= _LONGEST_NAME and all(0 < len(label) <= _LONGEST_LABEL for label in _labels(text))
    return fits and text.isascii()


def _labels(name: str) -> list[str]:
    return name.removesuffix(".").split(".")


def question(name: str, number: int) -> bytes:
    """Return the message that asks for a name's IPv4 addresses; ValueError for what is no name.

    Any server that serves the name answers it, also where the name has IPv6 addresses alone.
    """
    if not is_name(name):
        raise ValueError(f"{name} is no name of the DNS")
    written = b"".join(bytes([len(label)]) + label.encode() for label in _labels(name))
    return _HEADER.pack(number, _RECURSION_DESIRED, 1, 0, 0, 0) + written + b"\x00" + _TYPE_A_CLASS_IN


def code(message: bytes, number: int) -> str | None:
    """Return the response code of the answer to the question of that number, or None where it is no answer to it."""
    if len(message) < _HEADER.size:
        return None
    answered, flags, *_ = _HEADER.unpack_from(message)
    if answered != number or not flags & _IS_ANSWER:
        return None
    rcode = flags & 0xF
    return _CODES[rcode] if rcode < len(_CODES) else f"RCODE{rcode}"
