import time
from pathlib import Path

import pytest

from agent.host import commands


def test_output_and_status_are_kept() -> None:
    finished = commands.run(["sh", "-c", "echo out; echo err >&2; exit 3"], timeout=10)
    assert (finished.status, finished.text) == (3, "out\nerr\n")
    assert not finished.ok


def test_no_shell_is_between() -> None:
    assert commands.run(["echo", "$HOME; ls"], timeout=10).text == "$HOME; ls\n"


def test_a_program_that_is_not_there_is_an_outcome() -> None:
    finished = commands.run(["no-such-program"], timeout=10)
    assert finished.status is None
    assert "cannot run no-such-program" in finished.error


def test_a_time_out_ends_the_command_with_its_children_and_keeps_what_it_said(tmp_path: Path) -> None:
    started = time.monotonic()
    alive = tmp_path / "alive"
    script = f"echo first; (sleep 2; touch {alive}) & sleep 600"
    finished = commands.run(["sh", "-c", script], timeout=0.5)
    assert finished.timed_out
    assert finished.text == "first\n"
    assert "did not end within 0.5 s" in finished.error
    assert time.monotonic() - started < 60
    assert commands.run(["sh", "-c", f"sleep 2.5; test ! -e {alive}"], timeout=60).ok


def test_a_command_that_closes_its_output_and_goes_on_has_no_more_time_either() -> None:
    finished = commands.run(["sh", "-c", "echo first; exec >&- 2>&-; sleep 60"], timeout=0.5)
    assert (finished.timed_out, finished.text, finished.status) == (True, "first\n", None)


def test_output_is_cut_at_its_limit() -> None:
    finished = commands.run(["yes"], timeout=60, limit=1000)
    assert finished.truncated
    assert len(finished.output) == 1000


def test_of_a_tail_the_last_whole_lines_stay() -> None:
    finished = commands.run_for_tail(["seq", "100000"], timeout=60, limit=100)
    lines = finished.text.splitlines()
    assert finished.truncated
    assert finished.ok
    assert len(finished.output) <= 100
    assert lines == [str(number) for number in range(100001 - len(lines), 100001)]


def test_a_tail_that_fits_is_whole() -> None:
    finished = commands.run_for_tail(["seq", "3"], timeout=60, limit=6)
    assert (finished.text, finished.truncated) == ("1\n2\n3\n", False)


def test_of_one_long_line_the_end_stays() -> None:
    finished = commands.run_for_tail(["sh", "-c", "head -c 5000 /dev/zero; printf end"], timeout=60, limit=10)
    assert finished.output == b"\0" * 7 + b"end"


def test_a_tail_that_takes_too_long_keeps_what_came() -> None:
    finished = commands.run_for_tail(["sh", "-c", "echo first; sleep 60"], timeout=0.5)
    assert (finished.text, finished.timed_out) == ("first\n", True)


def test_input_is_given_and_not_wanting_it_is_no_error() -> None:
    assert commands.run(["cat"], timeout=10, stdin=b"hello").text == "hello"
    assert commands.run(["true"], timeout=10, stdin=b"x" * 1_000_000).ok


def test_the_daemons_environment_is_not_inherited() -> None:
    lines = commands.run(["env"], timeout=10).text.splitlines()
    assert {line.partition("=")[0] for line in lines} <= {*commands.ENVIRONMENT, "PWD", "SHLVL", "_"}


def test_a_signal_is_named() -> None:
    finished = commands.run(["sh", "-c", "kill -SEGV $$"], timeout=10)
    assert finished.status is None
    assert "SIGSEGV" in finished.error


def test_a_stream_comes_in_pieces_and_ends_when_the_sink_has_enough() -> None:
    pieces: list[bytes] = []

    def three(chunk: bytes) -> bool:
        pieces.append(chunk)
        return len(pieces) < 3

    finished = commands.stream(["yes"], three, timeout=60)
    assert (finished.truncated, finished.output, len(pieces)) == (True, b"", 3)


def test_a_sink_that_raises_ends_the_command(tmp_path: Path) -> None:
    def full(_chunk: bytes) -> bool:
        raise OSError("no space")

    script = f"echo $$ > {tmp_path / 'pid'}; yes"
    with pytest.raises(OSError, match="no space"):
        commands.stream(["sh", "-c", script], full, timeout=60)
    assert not Path("/proc", (tmp_path / "pid").read_text().strip()).exists()


def test_a_program_that_is_not_there_is_told_apart_from_one_that_may_not_run(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert commands.run(["no-such-program"], timeout=10).missing
    assert not commands.run([str(tmp_path / "file")], timeout=10).missing
