"""How far a secret may run below its line: private keys, triple quotes, lists, and blocks of YAML.

What is taken too much costs time only: the rules decide what is cut.
"""

import re
from collections.abc import Iterator
from typing import Any

import re2

from agent.redaction_cuts import STAMP
from agent.redaction_rules import NAMES

# The longest secret that is waited for before its block is cut: an RSA key of 16,384 bits takes 13 KiB.
_LONGEST = 32 << 10
_KEY_BEGINS, _KEY_ENDS = b"-----BEGIN ", b"-----END "
_TRIPLES = (b'"""', b"'''")
_LINE = re.compile(STAMP.encode() + rb"(?P<indent>[ \t]*)(?P<first>[^\s]?)")


def end_of_secret(data: bytes, first: int, found: int, end: int) -> int | None:
    """Return where the secret ends that was found on the line at `first`; nothing if that may be behind `end`."""
    last = data.find(b"\n", found - 1, end) + 1 or end
    for opening, closing in _fences(data, first, last):
        return _closed(data, opening, closing, end)
    return _below(data, first, last, end) if _OPEN(data[first:last]) else last


def _fences(data: bytes, first: int, last: int) -> Iterator[tuple[int, bytes]]:
    """Give where on the line a text begins that ends with a mark of its own."""
    key = data.rfind(_KEY_BEGINS, first, last)
    if key >= 0:
        yield key, _KEY_ENDS
    for triple in _TRIPLES:
        if data.count(triple, first, last) % 2:
            yield data.rfind(triple, first, last) + len(triple), triple


def _closed(data: bytes, opening: int, closing: bytes, end: int) -> int | None:
    longest = opening + _LONGEST
    closes = data.find(closing, opening, min(end, longest))
    if closes >= 0:
        return data.find(b"\n", closes, end) + 1 or end
    return longest if longest <= end else None


def _below(data: bytes, first: int, last: int, end: int) -> int | None:
    """Return where the lines end that stand further right, or are items or strings as far right."""
    place, indent = last, _indent(data, first, last)[0]
    while place < min(end, first + _LONGEST):
        after = data.find(b"\n", place, end) + 1 or end
        right, begins = _indent(data, place, after)
        if begins and place > last and right <= indent and not (right == indent and begins in b"-\"'"):
            return place
        place = after
    return place if place >= first + _LONGEST else None


def _indent(data: bytes, first: int, last: int) -> tuple[int, bytes]:
    found = _LINE.match(data, first, last)
    return (len(found["indent"]), found["first"]) if found else (0, b"")


def _open() -> Any:
    """Compile what a line ends with whose value stands below: a name, or a name and what opens a value."""
    pattern = (
        rf"(?:(?:{NAMES})s?|pass(?:in|out)?|-[\w.-]*(?:auth|creds)|user[_-]?data)[\"'\\]*[ \t]*"
        r"(?:,|[:=]>?[ \t]*(?:\[[^\]]*|[|>][0-9+-]{0,2})?)?[ \t]*(?:#.*)?\r?\n?\z"
    )
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.case_sensitive, options.never_capture = False, True
    return re2.compile(pattern.encode(), options).search


_OPEN = _open()
