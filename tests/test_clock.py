from datetime import UTC, datetime, timedelta

import pytest

from agent import clock

NOW = datetime(2026, 11, 22, 15, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("date", "ahead"),
    [
        ("Sun, 22 Nov 2026 15:00:00 GMT", timedelta(0)),
        ("Sun, 22 Nov 2026 14:50:00 GMT", timedelta(minutes=10)),
        ("Thu, 01 Jan 1970 00:00:00 GMT", NOW - datetime(1970, 1, 1, tzinfo=UTC)),
        ("Sun, 22 Nov 2026 15:00:00 +0100", None),
        (None, None),
        ("", None),
        ("yesterday", None),
        ("Sun, 99 Nov 2026 15:00:00 GMT", None),
    ],
)
def test_how_far_the_clock_is_ahead_of_a_server_s(date: str | None, ahead: timedelta | None) -> None:
    assert clock.ahead(date, NOW) == ahead


def test_a_token_is_refused_beyond_five_minutes_either_way() -> None:
    assert not clock.is_wrong(None)
    assert not clock.is_wrong(timedelta(minutes=-5))
    assert clock.is_wrong(timedelta(minutes=5, seconds=1))
    assert clock.is_wrong(timedelta(minutes=-6))


@pytest.mark.parametrize(
    ("off", "words"),
    [
        (timedelta(seconds=0.2), "0 s ahead"),
        (timedelta(minutes=-6, seconds=-3), "6 min 3 s behind"),
        (timedelta(days=20000, hours=3, seconds=1), "20000 d 3 h ahead"),
    ],
)
def test_the_difference_in_words(off: timedelta, words: str) -> None:
    assert clock.spoken(off) == words
