"""IMDS is asked often while something is waited for, less often as time goes by, and never beyond the budget."""

from itertools import pairwise

from agent.network.polling import AT_ONCE, KICKED_FOR, LISTING, REQUESTS_A_SECOND, Schedule, Turn, steady, waiting


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


def test_whose_turn_it_is_waits_while_the_budget_is_spent() -> None:
    schedule = Schedule({LISTING: Turn(0.1), "a": Turn(9.0)}).spent(AT_ONCE, 0.0)
    assert (schedule.held(0.0), schedule.left(0.0)) == (0.0, 0.1)
    schedule = schedule.spent(50, 0.0)
    assert (schedule.held(0.2), schedule.left(0.2)) == (0.3, 0.3)
    assert schedule.held(0.5) == 0.0
    assert schedule.spent(10, 60.0).spent_until == 60.1, "what was not spent is not saved up"


def test_no_second_has_more_requests_than_the_budget() -> None:
    """Sixty ENIs at a start, of which each asks for ten keys whenever it is let."""
    schedule, now, sent = Schedule(), 0.0, list[float]()
    while now < 5.0:
        if not schedule.held(now):
            sent += [now] * 10
            schedule = schedule.spent(10, now)
        now += 0.001
    worst = max(sum(start <= each < start + 1.0 for each in sent) for start in sent)
    assert AT_ONCE < worst <= AT_ONCE + REQUESTS_A_SECOND + 10
    assert len(sent) <= AT_ONCE + 5 * REQUESTS_A_SECOND + 10


def test_the_primary_is_asked_before_others() -> None:
    schedule = Schedule({"a": Turn(1.0), "b": Turn(1.0), "c": Turn(1.0, 0.0, 3), LISTING: Turn(1.0)})
    assert schedule.due(1.0, "b") == (LISTING, "b", "a", "c")
    assert schedule.due(1.0, "c") == (LISTING, "a", "b", "c"), "not where it is asked in vain"


def test_where_all_are_due_whoever_waits_for_its_first_reading_and_longest_is_asked_first() -> None:
    """A kick makes sixty ENIs due every second, more than the budget bears: the last MACs are asked, too."""
    schedule = Schedule({"a": Turn(1.0), "b": Turn(0.5), "c": Turn(0.9, 0.9), "d": Turn(0.9), LISTING: Turn(1.0)})
    order = (LISTING, "c", "b", "d", "a")
    assert schedule.due(1.0) == order
    assert schedule.kicked(1.5).kicked(2.0).due(2.0) == order


def test_what_is_hurried_is_waited_for_from_now() -> None:
    schedule = Schedule({LISTING: Turn(8.0, -60.0, 90)}).hurried(LISTING, 3.0)
    assert schedule.due(3.0) == (LISTING,)
    assert waiting(schedule.turns[LISTING], 3.0).due == 3.1
