"""Dumps of the kernel, put together."""

from hypothesis import given
from hypothesis import strategies as st

from agent.doctor.parsing import kernel_news
from agent.pstore import dumps

FIRST = "Panic#1 Part1\nic - not syncing: Fatal exception\n<0>[ 9.9] ---[ end\n"
SECOND = "Panic#1 Part2\n<4>[ 9.8] before\n<0>[ 9.9] Kernel pan"


def test_a_line_over_two_records_is_one_again() -> None:
    found = dumps([SECOND, FIRST])
    assert found == dumps([FIRST, SECOND])
    assert found[0].startswith("Panic#1 Part2\n<4>[ 9.8] before\n<0>[ 9.9] Kernel panic - not syncing: Fatal")
    assert kernel_news((), found).panic == "Kernel panic - not syncing: Fatal exception"


def test_a_line_over_two_parts_in_one_file_of_systemd_is_one_again() -> None:
    assert dumps([SECOND + FIRST]) == dumps([SECOND, FIRST])


def test_dumps_of_two_ends_are_kept_apart() -> None:
    oops = "Oops#1 Part1\n<4>[ 5.0] BUG\n"
    older = FIRST.replace("Fatal", "Other")
    assert len(dumps([oops, SECOND, FIRST])) == 2
    assert [("Other" in text) for text in dumps([older, FIRST])] == [True, False]


def test_what_ramoops_writes_before_the_header_stays() -> None:
    assert dumps(["====1.5-D\nPanic#1 Part1\n<0>[ 9.9] x\n"]) == ["====1.5-D\nPanic#1 Part1\n<0>[ 9.9] x\n"]


@given(st.lists(st.text() | st.sampled_from([FIRST, SECOND])))
def test_anything_is_read(records: list[str]) -> None:
    assert bool(dumps(records)) == bool(records)
