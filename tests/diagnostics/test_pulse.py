import pytest

from agent.diagnostics.pulse import Pulse, StoppedError, now, now_text


class Clock:
    """Time and stop as a test sets them."""

    def __init__(self) -> None:
        self.time = 0.0
        self.stopped = False
        self.fed = 0

    def feed(self) -> None:
        self.fed += 1

    def pulse(self, interval: float | None) -> Pulse:
        return Pulse(lambda: self.stopped, self.feed, interval=interval, clock=lambda: self.time)


def test_the_watchdog_is_fed_once_an_interval() -> None:
    clock = Clock()
    pulse = clock.pulse(10)
    for clock.time in (1.0, 9.9, 10.0, 15.0, 20.0):
        pulse()
    assert clock.fed == 2


def test_without_a_watchdog_nothing_is_fed() -> None:
    clock = Clock()
    clock.pulse(None)()
    assert clock.fed == 0


def test_a_stop_ends_the_wait() -> None:
    clock = Clock()
    clock.stopped = True
    with pytest.raises(StoppedError):
        clock.pulse(None)()


def test_last_words_may_be_said_for_some_seconds_after_the_stop() -> None:
    clock = Clock()
    pulse = clock.pulse(None)
    clock.stopped = True
    with pulse.last_words(8):
        pulse()
        clock.time = 7.9
        pulse()
        clock.time = 8.0
        with pytest.raises(StoppedError):
            pulse()
    clock.time = 0.0
    with pytest.raises(StoppedError):
        pulse()


def test_the_time_is_written_as_the_api_has_it() -> None:
    assert now_text()[:10] == now().strftime("%Y-%m-%d")
    assert now_text().endswith("Z")
