"""What one look adds to those before it: since when the headline stands, and what kept the node from its work."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from agent.doctor.report import Episode, Report, as_sentence, episode, json_object

# A boot's usual waits are no trouble that anybody should hear of later.
_WORTH_TELLING = timedelta(minutes=2)
_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


def followed(report: Report, published: str | None, now: datetime) -> Report:
    """Return the report with its time, and what follows from the one that was published before it in this boot."""
    before = json_object(published)
    trouble = episode(before.get("trouble"))
    said = (before.get("healthy"), before.get("failed"), _id(before.get("headline")))
    # What failed and is not known any more has ended: the look after this one would not see that it had failed.
    if said == (report.healthy, report.failed, report.headline.id if report.headline else ""):
        return replace(report, examined_at=spoken(now), since=str(before.get("since")), trouble=trouble)
    longest = _longer(trouble, _ended(before, now))
    return replace(report, examined_at=spoken(now), since=spoken(now), trouble=longest)


def spoken(time: datetime) -> str:
    """Return a time as reports write it (RFC 3339)."""
    return time.astimezone(UTC).strftime(_FORMAT)


def _ended(before: Mapping[str, Any], now: datetime) -> Episode | None:
    """Return the trouble of the look before, which is over, where it was one and lasted."""
    headline, began, ended = before.get("headline"), str(before.get("since")), spoken(now)
    if not before.get("failed") or not isinstance(headline, dict) or _length(began, ended) < _WORTH_TELLING:
        return None
    sentence = as_sentence(_id(headline), str(headline.get("message")), str(headline.get("action")))
    return Episode(_id(headline), sentence, began, ended)


def _longer(one: Episode | None, other: Episode | None) -> Episode | None:
    found = [episode for episode in (one, other) if episode is not None]
    return max(found, key=lambda episode: _length(episode.began, episode.ended), default=None)


def _length(began: str, ended: str) -> timedelta:
    try:
        return datetime.fromisoformat(ended) - datetime.fromisoformat(began)
    except (ValueError, TypeError):  # TypeError: one of them has no time zone
        return timedelta()


def _id(headline: object) -> str:
    return str(headline.get("id", "")) if isinstance(headline, dict) else ""
