"""The pool: calls side by side, and one that never returns."""

import subprocess
import sys
import threading

import pytest

from agent.errors import FailedError
from agent.host.pool import Pool


def test_a_call_gives_its_value() -> None:
    assert Pool(1).start(lambda: 7).result(5) == 7


def test_a_call_gives_its_expected_error() -> None:
    def fail() -> int:
        raise FailedError("no")

    with pytest.raises(FailedError, match="no"):
        Pool(1).start(fail).result(5)


def test_calls_run_side_by_side() -> None:
    barrier = threading.Barrier(2, timeout=5)
    pool = Pool(2)
    calls = [pool.start(barrier.wait) for _ in range(2)]
    assert {call.result(5) for call in calls} == {0, 1}


def test_no_more_run_than_the_pool_is_wide() -> None:
    free = threading.Event()
    pool = Pool(1)
    first = pool.start(lambda: free.wait(5))
    second = pool.start(lambda: "after")
    with pytest.raises(TimeoutError):
        second.result(0.05)
    free.set()
    assert first.result(5)
    assert second.result(5) == "after"


def test_a_call_that_never_returns_does_not_hold_up_the_end_of_the_process() -> None:
    code = "import threading; from agent.host.pool import Pool; Pool(1).start(threading.Event().wait)"
    assert subprocess.run([sys.executable, "-c", code], timeout=30, check=False).returncode == 0


def test_a_defect_comes_out_where_the_result_is_asked_for() -> None:
    with pytest.raises(ZeroDivisionError):
        Pool(1).start(lambda: 1 / 0).result(5)
