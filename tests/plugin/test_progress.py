"""What a terminal and a pipe see of a run."""

import io

from kubectl_node_diagnostic.model import Phase, Result
from kubectl_node_diagnostic.progress import Live, Plain, Step, live_lines


def test_a_pipe_gets_a_line_for_each_change() -> None:
    stream = io.StringIO()
    plain = Plain(stream)
    for phase in (Phase.REQUESTED, Phase.RUNNING, Phase.RUNNING):
        plain.moved("a", phase)
    plain.tick()
    plain.ended(Result("a", "Success", size=2048))
    plain.ended(Result("b").failed("no agent", ""))
    plain.close()
    assert stream.getvalue().splitlines() == ["a: requested", "a: collecting", "a: Success, 2.0 KiB", "b: no agent"]


def test_a_terminal_shows_the_slowest_nodes_and_the_count() -> None:
    steps = {f"n{number}": Step(Phase.RUNNING, float(-number)) for number in range(20)}
    lines = live_lines(steps, done=3, total=40, now=10.0, columns=80)
    assert lines[0] == "  n19  collecting  29 s"
    assert lines[-2:] == ["  and 8 more", "3 of 40 done, 20 at work"]
    assert max(map(len, live_lines(steps, done=3, total=40, now=10.0, columns=12))) == 11


def test_the_block_is_drawn_over_itself_and_taken_away() -> None:
    stream = io.StringIO()
    live = Live(stream, 2, clock=lambda: 5.0)
    live.moved("a", Phase.REQUESTED)
    live.tick()
    live.ended(Result("a", "Success"))
    live.close()
    live.close()
    first = "  a  requested  0 s\n0 of 2 done, 1 at work\n"
    assert stream.getvalue() == f"{first}\033[2F\033[Ja: Success\n1 of 2 done, 0 at work\n\033[1F\033[J"
