"""What the kernel keeps of its messages when it ends (pstore): a dump in as many records as the store needs."""

import re
from collections.abc import Iterable

# fs/pstore/platform.c, pstore_dump(): why, the how manieth of the boot, and the part; the last part is written first.
_HEADER = re.compile(
    r"(?P<dump>(?:Panic|Oops|Emergency|Restart|Halt|Poweroff|Shutdown|Unknown)#\d+) Part(?P<part>\d+)\n"
)


def dumps(records: Iterable[str]) -> list[str]:
    """Return the text of each dump, its parts joined: a line may begin in one record and end in another."""
    joined: list[dict[int, str]] = []
    places: dict[str, dict[int, str]] = {}
    for record in records:
        found = _HEADER.search(record)
        if found is None:
            joined.append({0: record})
            continue
        parts = places.get(found["dump"], {})
        if not parts or int(found["part"]) in parts:
            parts = places[found["dump"]] = {}
            joined.append(parts)
        parts[int(found["part"])] = record
    return [_text([parts[part] for part in sorted(parts, reverse=True)]) for parts in joined]


def _text(parts: list[str]) -> str:
    """Join the parts of a dump; of their headers the first stays."""
    first, *others = _HEADER.split("".join(parts))[::3]
    header = _HEADER.search(parts[0])
    return first + (header[0] if header else "") + "".join(others)
