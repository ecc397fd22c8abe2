from datetime import UTC, datetime, timedelta

import pytest

from agent.diagnostics import answer
from agent.diagnostics.answer import Lifetime, Next

DENIED = b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("status", "body", "meaning"),
    [
        (200, b"", Next.DONE),
        (204, b"", Next.DONE),
        (307, b"", Next.GIVE_UP),
        (403, DENIED, Next.GIVE_UP),
        (400, b"<Error><Code>RequestTimeout</Code></Error>", Next.AGAIN),
        (408, b"", Next.AGAIN),
        (425, b"", Next.AGAIN),
        (429, b"", Next.AGAIN),
        (500, b"", Next.AGAIN),
        (503, b"<Error><Code>SlowDown</Code></Error>", Next.AGAIN),
    ],
)
def test_what_an_answer_means(status: int, body: bytes, meaning: Next) -> None:
    assert answer.judge(status, {}, body).next is meaning


@pytest.mark.parametrize(
    ("status", "body", "hint"),
    [
        (403, DENIED, "the URL has expired: sign a new URL"),
        (
            400,
            b"<Code>ExpiredToken</Code><Message>The provided token has expired.</Message>",
            "credentials that signed",
        ),
        (403, b"<Code>SignatureDoesNotMatch</Code>", "sign with s3v4"),
        (307, b"<Code>TemporaryRedirect</Code><Message>Please re-send</Message>", "redirects are not followed"),
        (302, b"", "redirects are not followed"),
        (404, b"<Code>NoSuchBucket</Code>", "a bucket that exists"),
        (418, b"", ""),
    ],
)
def test_the_cure_is_said(status: int, body: bytes, hint: str) -> None:
    assert answer.judge(status, {}, body).hint.startswith(hint) or hint in answer.judge(status, {}, body).hint
    assert bool(answer.judge(status, {}, body).hint) is bool(hint)


def test_s3s_own_words() -> None:
    verdict = answer.judge(403, {}, DENIED)
    assert (verdict.code, verdict.message) == ("AccessDenied", "Request has expired")


def test_a_hostile_answer_is_short_and_printable() -> None:
    verdict = answer.judge(403, {}, b"<Code>\x1b[2J\n" + b"x" * 9999 + b"</Code><!DOCTYPE a [<!ENTITY b 'c'>]>")
    assert verdict.code.startswith("[2J x")
    assert len(verdict.code) == 200


@pytest.mark.parametrize(("wish", "seconds"), [("7", 7.0), ("86400", 300.0), ("soon", None), ("", None)])
def test_the_servers_wish_is_bounded(wish: str, seconds: float | None) -> None:
    assert answer.judge(503, {"retry-after": wish}, b"").retry_after == seconds


class Clock:
    """Seconds since boot, as a test sets them."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_url_is_tried_until_it_ends() -> None:
    clock = Clock()
    lifetime = Lifetime(NOON + HOUR, NOON, clock)
    clock.now += 600
    assert lifetime.left() == 3000
    assert lifetime.trouble() == ""


def test_a_url_that_does_not_say_when_it_ends_is_tried_for_an_hour() -> None:
    assert Lifetime(None, NOON, Clock()).left() == 3600


def test_a_clock_that_is_ahead_does_not_end_a_url() -> None:
    lifetime = Lifetime(NOON + HOUR, NOON + 5 * HOUR, Clock())
    assert lifetime.left() == 120
    lifetime.heard(answer.judge(503, {"date": "Sun, 22 Nov 2026 12:30:00 GMT"}, b"").date)
    assert lifetime.left() == 1800
    assert lifetime.trouble() == "the node's clock is 16200 s ahead"


def test_a_clock_that_is_behind_does_not_keep_a_url() -> None:
    lifetime = Lifetime(NOON + HOUR, NOON - HOUR, Clock())
    lifetime.heard(NOON + 2 * HOUR)
    assert lifetime.left() == -3600
    assert lifetime.trouble() == "the node's clock is 10800 s behind"


def test_a_date_that_is_none_changes_nothing() -> None:
    lifetime = Lifetime(NOON + HOUR, NOON, Clock())
    lifetime.heard(answer.judge(200, {"date": "yesterday"}, b"").date)
    assert lifetime.left() == 3600
