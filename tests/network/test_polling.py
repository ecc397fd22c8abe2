"""IMDS is asked often while something is waited for, less often as time goes by, and never beyond the budget."""

from itertools import pairwise

from agent.network.polling import KICKED_FOR, LISTING, Schedule, Turn, steady, waiting


def times_of(seconds: float) -> list[float]:
    turn = Turn(0.0, 0.0)
    found = [0.0]
    while turn.due < seconds:
        turn = waiting(turn, turn.due)
        found.append(turn.due)
    return found


def test_the_pauses_grow() -> None:
    times = times_of(120.0)
    pauses = [round(after - before, 3) for before, after in pairwise(times)]
    assert pauses[:3] == [0.1, 0.2, 0.25]
    assert set(pauses[3:]) == {0.25, 1.0, 5.0}
    assert pauses == sorted(pauses)
    assert waiting(None, 7.0) == Turn(7.05, 7.0, 0)


def test_who_is_asked_in_vain_comes_last_and_the_listing_among_the_first() -> None:
    schedule = Schedule(
        {"b": Turn(1.0, 0.0, 9), "a": Turn(1.0, 0.0, 9), "c": Turn(1.0), LISTING: Turn(0.5), "d": Turn(2.0)}
    )
    assert schedule.due(1.0) == (LISTING, "c", "a", "b")
    assert schedule.left(0.25) == 0.25
    assert schedule.of({"d"}).turns.keys() == {LISTING, "d"}


def test_a_kick_makes_all_due_and_polls_often_for_a_while() -> None:
    schedule = Schedule({LISTING: Turn(8.0), "a": Turn(9.0)}).kicked(1.0)
    assert schedule.due(1.0) == (LISTING, "a")
    assert schedule.kicked_until == 1.0 + KICKED_FOR
    assert steady(1.0, 8.0, kicked=True).due == 2.0
    assert steady(1.0, 8.0, kicked=False).due == 9.0


def test_many_requests_put_the_next_ones_off() -> None:
    schedule = Schedule({LISTING: Turn(0.1), "a": Turn(9.0)}).spent(150, since=0.0, now=0.0)
    assert (schedule.turns[LISTING].due, schedule.turns["a"].due) == (1.5, 9.0)
    schedule = schedule.put("b", Turn(0.3)).put(LISTING, Turn(0.4)).spent(50, since=0.2, now=0.3)
    assert schedule.turns["b"].due == 0.3, "whose turn it is already is not put off"
    assert schedule.turns[LISTING].due == 2.0, "what was spent before counts too"


def test_what_is_hurried_is_waited_for_from_now() -> None:
    schedule = Schedule({LISTING: Turn(8.0, -60.0, 90)}).hurried(LISTING, 3.0)
    assert schedule.due(3.0) == (LISTING,)
    assert waiting(schedule.turns[LISTING], 3.0).due == 3.1
