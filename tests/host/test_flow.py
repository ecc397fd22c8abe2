from pathlib import Path

import pytest

from agent.host.flow import Bounds, Ending, Flow
from agent.outputs import Keep, Opened, Outcome, Status

LINES = b"".join(b"line %d\n" % number for number in range(10_000))


class Sent:
    """Where files go in these tests: memory."""

    def __init__(self) -> None:
        self.opened: list[Opened] = []
        self.content = b""
        self.outcomes: list[Outcome] = []

    def open(self, opened: Opened) -> None:
        self.opened.append(opened)

    def send(self, data: bytes | memoryview) -> None:
        self.content += data

    def alive(self) -> None:
        self.content += b""

    def close(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)


def passed(
    folder: Path, keep: Keep, limit: int, text: bytes = LINES, ending: Ending | None = None
) -> tuple[Sent, Outcome]:
    sent = Sent()
    flow = Flow(Opened("a", "/a", 1.0), Bounds(limit, keep, folder), sent)
    for start in range(0, len(text), 777):
        if not flow.write(text[start : start + 777]):
            break
    flow.finish(*([ending] if ending else []))
    assert list(folder.iterdir()) == []
    (outcome,) = sent.outcomes
    return sent, outcome


@pytest.mark.parametrize("keep", Keep)
@pytest.mark.parametrize("limit", [len(LINES), len(LINES) + 1])
def test_what_fits_is_kept_whole(tmp_path: Path, keep: Keep, limit: int) -> None:
    sent, outcome = passed(tmp_path, keep, limit)
    assert (sent.content, outcome.status, outcome.bytes_read) == (LINES, Status.OK, len(LINES))
    assert sent.opened == [Opened("a", "/a", 1.0)]


@pytest.mark.parametrize("limit", [20, 1000, 50_000])
def test_the_head_or_the_tail_is_kept_and_the_cut_is_said(tmp_path: Path, limit: int) -> None:
    head, outcome = passed(tmp_path, Keep.HEAD, limit)
    assert (head.content, outcome.status) == (LINES[:limit], Status.TRUNCATED)
    assert outcome.error == f"cut to the first {limit} bytes"
    tail, outcome = passed(tmp_path, Keep.TAIL, limit)
    assert (outcome.status, outcome.error) == (Status.TRUNCATED, f"cut to the last {limit} bytes")
    # Whole lines, as many as fit.
    assert LINES.endswith(tail.content)
    assert limit - 20 < len(tail.content) <= limit
    assert tail.content.startswith(b"line ")


def test_a_tail_without_lines_is_kept_as_it_is(tmp_path: Path) -> None:
    assert passed(tmp_path, Keep.TAIL, 1000, b"x" * 5000)[0].content == b"x" * 1000


def test_secrets_are_cut_and_counted(tmp_path: Path) -> None:
    sent, outcome = passed(tmp_path, Keep.HEAD, 1000, b"password=hunter22 \xff")
    assert sent.content == b"password=<redacted> \xff"
    assert (outcome.redactions, outcome.bytes_read) == (1, 19)


def test_nothing_is_a_file_without_content(tmp_path: Path) -> None:
    sent, outcome = passed(tmp_path, Keep.TAIL, 10, b"")
    assert (sent.opened, outcome.status) == ([], Status.EMPTY)
    _, outcome = passed(tmp_path, Keep.HEAD, 10, b"", Ending(Status.FAILED, 3, "broke", 1))
    assert (outcome.status, outcome.exit_code, outcome.error, outcome.left_behind) == (Status.FAILED, 3, "broke", 1)
