"""Many nodes at a time: bounded, each with its result, also where the work itself breaks."""

import threading

import pytest

from kubectl_node_diagnostic import crowd
from kubectl_node_diagnostic.crowd import News
from kubectl_node_diagnostic.model import Phase, Result

NODES = [f"n{number}" for number in range(50)]


class Seen:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.phases: list[tuple[str, Phase]] = []
        self.ends: list[str] = []

    def moved(self, node: str, phase: Phase) -> None:
        self.phases.append((node, phase))

    def ended(self, result: Result) -> None:
        self.ends.append(result.node)

    def tick(self) -> None:
        pass


def test_every_node_gets_its_turn_and_never_too_many_at_once() -> None:
    news, seen, gate = News(), Seen(), threading.Barrier(5)
    busy: list[int] = []
    guard = threading.Lock()

    def work(node: str) -> Result:
        with guard:
            busy.append(threading.active_count())
        gate.wait(30)  # five are here together, or nobody gets on
        news.say(node, Phase.RUNNING)
        return Result(node, "Success")

    before = threading.active_count()
    threads = crowd.start(NODES, work, news, parallel=5)
    found = list(crowd.results(threads, news, seen))
    assert sorted(result.node for result in found) == sorted(NODES)
    assert sorted(seen.ends) == sorted(NODES)
    assert sorted(seen.phases) == sorted((node, Phase.RUNNING) for node in NODES)
    assert max(busy) - before <= 5


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_defect_of_ours_ends_as_the_result_of_its_node() -> None:
    def work(node: str) -> Result:
        raise ZeroDivisionError(node)

    news = News()
    (result,) = crowd.results(crowd.start(["a"], work, news, parallel=3), news, Seen())
    assert result.problem == "the plug-in failed"


def test_no_node_is_no_work() -> None:
    news = News()
    assert list(crowd.results(crowd.start([], Result, news, parallel=3), news, Seen())) == []
