import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from agent.errors import FailedError, TemporaryError
from agent.loop import Backoff, jittered, retry, until_stopped, wish


@dataclass
class Time:
    """A clock that only waiting moves."""

    now: float = 0.0
    waits: list[float] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


def failing(times: int, *, retry_after: float | None = None) -> Callable[[], str]:
    left = iter(range(times))

    def call() -> str:
        for _ in left:
            raise TemporaryError("not yet", retry_after=retry_after)
        return "done"

    return call


def test_retry_ends_with_the_first_success() -> None:
    time = Time()
    assert retry(failing(3), within=60, wait=time.wait, clock=time.clock) == "done"
    assert len(time.waits) == 3


def test_retry_gives_up_at_its_deadline_and_never_waits_past_it() -> None:
    time = Time()
    with pytest.raises(TemporaryError, match="not yet"):
        retry(failing(1000), within=30, wait=time.wait, clock=time.clock)
    assert time.now < 30


def test_retry_does_not_repeat_what_cannot_help() -> None:
    time = Time()

    def call() -> None:
        raise FailedError("no")

    with pytest.raises(FailedError):
        retry(call, within=30, wait=time.wait, clock=time.clock)
    assert time.waits == []


def test_retry_honours_the_servers_wish() -> None:
    time = Time()
    retry(failing(2, retry_after=7), within=60, wait=time.wait, clock=time.clock)
    assert time.waits == [7, 7]


@pytest.mark.parametrize("attempt", [0, 1, 5, 5000])
def test_backoff_grows_to_its_cap(attempt: int) -> None:
    longest = min(5.0, 0.25 * 2 ** min(attempt, 10))
    delays = [Backoff().delay(attempt) for _ in range(50)]
    assert all(longest / 2 <= delay <= longest for delay in delays)
    assert len(set(delays)) > 1


def test_jitter_stays_within_its_share() -> None:
    assert all(8 <= jittered(10) <= 12 for _ in range(100))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_long_wait(number: signal.Signals) -> None:
    with until_stopped() as stop:
        assert not stop.wait(0)
        signal.raise_signal(number)
        assert stop.wait(3600)
        assert stop.wait(3600), "a stop stays requested"


def test_a_readable_descriptor_ends_a_long_wait() -> None:
    reader, writer = os.pipe()
    try:
        with until_stopped() as stop:
            os.write(writer, b"x")
            assert not stop.wait(3600, reader)
    finally:
        os.close(reader)
        os.close(writer)


def test_handlers_are_put_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with until_stopped():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("86400", 300.0),
        ("9" * 5000, None),
        ("", None),
        ("\xb2", None),
        ("Mon, 23 Nov 2026 01:00:00 GMT", None),
    ],
)
def test_what_a_server_wishes_is_bounded(header: str, seconds: float | None) -> None:
    assert wish(header) == seconds
