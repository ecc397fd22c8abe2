"""Who gets how much of a cycle, and that no cycle is longer than its budget."""

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.console.budget import CYCLE_BYTES, Section, cut, share, size
from agent.console.decode import newest
from agent.console.frame import Header
from agent.console.sections import compose, log, table

CLAIMS = st.lists(st.tuples(st.integers(0, 10_000), st.integers(1, 5)), min_size=1, max_size=12)
HEADER = Header(7, "2026-11-22T15:00:00Z", "0.1.0", "tcp: no answer")


def test_what_one_does_not_need_goes_to_the_others() -> None:
    assert share([10, 500, 500], [1, 1, 1], 300) == [10, 145, 145]


def test_weights_count_where_room_is_short() -> None:
    assert share([500, 500], [3, 1], 400) == [300, 100]


def test_everybody_gets_what_it_wants_where_there_is_room() -> None:
    assert share([10, 20], [1, 1], 300) == [10, 20]


@given(CLAIMS, st.integers(0, 50_000))
def test_no_more_is_given_than_there_is_or_was_asked_for(claims: list[tuple[int, int]], total: int) -> None:
    wanted, weights = [want for want, _ in claims], [weight for _, weight in claims]
    given_out = share(wanted, weights, total)
    assert sum(given_out) <= total
    assert all(given <= want for given, want in zip(given_out, wanted, strict=True))
    if sum(wanted) <= total:
        assert given_out == wanted
    else:
        # What rounding leaves over is less than one byte a weight.
        assert total - sum(given_out) < sum(weights)


def test_a_table_keeps_its_head() -> None:
    assert cut(Section("disk", ("aaaa", "bbbb", "x" * 90), "head"), 50, 2) == (
        "aaaa",
        "bbbb",
        "... the rest is cut ...",
    )


def test_a_log_keeps_its_tail() -> None:
    assert cut(Section("kubelet", ("x" * 90, "bbbb", "cccc"), "tail"), 50, 2) == (
        "... what came before is cut ...",
        "bbbb",
        "cccc",
    )


def test_a_section_that_fits_is_left_alone() -> None:
    assert cut(Section("disk", ("aaaa", "bbbb")), 12, 2) == ("aaaa", "bbbb")


def test_no_room_at_all_gives_nothing() -> None:
    assert cut(Section("disk", ("aaaa", "bbbb")), 5, 2) == ()


@given(st.lists(st.text(st.characters(codec="utf-8"))), st.integers(0, 300), st.sampled_from(["head", "tail"]))
def test_a_cut_section_keeps_to_its_limit(lines: list[str], limit: int, keep: str) -> None:
    assert size(cut(Section("x", tuple(lines), keep), limit, 2), 2) <= limit


@given(st.lists(st.tuples(st.text(st.characters(codec="utf-8")), st.integers(0, 3000)), min_size=1, max_size=6))
@settings(deadline=None)
def test_a_cycle_keeps_to_its_budget_with_its_carriage_returns_and_is_read_back(parts: list[tuple[str, int]]) -> None:
    sections = [
        (log if number % 2 else table)(f"part{number}", f"{text}\n" * times, weight=1 + number % 3)
        for number, (text, times) in enumerate(parts)
    ]
    arriving = compose(HEADER, sections, line_end=2).replace("\n", "\r\n").encode()
    assert len(arriving) <= CYCLE_BYTES
    decoded = newest(arriving)
    assert decoded is not None
    assert not decoded.missing


def test_each_section_has_the_header_that_parsers_know() -> None:
    lines = compose(HEADER, [table("memory", "MemTotal: 1 kB")], line_end=1).splitlines()
    assert lines[2:4] == ["NMA::LOG|2026-11-22T15:00:00Z|memory", "MemTotal: 1 kB"]
    assert len(lines[2].split("|")) == 3


def test_a_flood_in_one_section_leaves_the_others_whole() -> None:
    sections = [log("kubelet", "flood\n" * 1_000_000), table("doctor", "FAIL tcp\n")]
    text = compose(HEADER, sections, line_end=2)
    assert "FAIL tcp" in text
    # A share of the budget that nobody used would be lost room.
    assert len(text.replace("\n", "\r\n")) > CYCLE_BYTES - 20
