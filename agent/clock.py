"""How far this node's clock is off, by the Date header of servers that it talks to anyway."""

from datetime import UTC, datetime, timedelta

# AWS refuses a request, and so a node's token, whose time differs from its own by more.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html
TOLERANCE = timedelta(minutes=5)
# The one form in which servers send it (RFC 9110, 5.6.7).
_FORM = "%a, %d %b %Y %H:%M:%S GMT"


def ahead(date: str | None, now: datetime) -> timedelta | None:
    """Return how far `now` is ahead of a Date header, negative where it is behind; None where there is no date."""
    try:
        return now - datetime.strptime(date or "", _FORM).replace(tzinfo=UTC)
    except ValueError:
        return None


def is_wrong(off: timedelta | None) -> bool:
    return off is not None and abs(off) > TOLERANCE


def spoken(off: timedelta) -> str:
    """Say it in words: `2 h 5 min behind`."""
    seconds = round(abs(off).total_seconds())
    units = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
    parts = []
    for name, size in units:
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {name}")
    return f"{' '.join(parts[:2]) or '0 s'} {'behind' if off < timedelta(0) else 'ahead'}"
