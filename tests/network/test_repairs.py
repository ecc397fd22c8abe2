"""Making changes stage by stage: what is refused, what is left out after that, and what is fought over."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from agent.errors import FailedError
from agent.network.difference import Step
from agent.network.fights import PAUSE, REPAIRS
from agent.network.repairs import Repairs
from agent.rtnl import AddRule, Change, Failure, Rule, SetUp

FIRST, SECOND = "02:00:00:00:00:0a", "02:00:00:00:00:0b"
RULE = AddRule(Rule(4, 512, 254))


@dataclass
class Kernel:
    """Notes what it is told, and refuses some of it."""

    refused: frozenset[Change] = frozenset()
    made: list[Change] = field(default_factory=list)

    def apply(self, changes: Sequence[Change]) -> tuple[Failure, ...]:
        self.made += [change for change in changes if change not in self.refused]
        return tuple(Failure(change, "Operation not permitted") for change in changes if change in self.refused)


def test_a_refusal_stops_its_own_eni_alone() -> None:
    kernel, repairs = Kernel(frozenset({SetUp(2)})), Repairs()
    stages = ((Step(FIRST, SetUp(2)), Step(SECOND, SetUp(3))), (Step(FIRST, RULE), Step(SECOND, SetUp(4))))
    assert repairs.make(stages, kernel.apply, 0.0) == {FIRST: ["cannot bring link 2 up: Operation not permitted"]}
    assert kernel.made == [SetUp(3), SetUp(4)]
    assert repairs.failed == 1
    assert repairs.make((), kernel.apply, 1.0) == {}
    assert repairs.failed == 0


def test_what_is_made_again_and_again_is_left_for_a_while_and_told() -> None:
    kernel, repairs = Kernel(), Repairs()
    for second in range(REPAIRS):
        troubles = repairs.make(((Step(FIRST, RULE),),), kernel.apply, float(second))
    assert troubles == {FIRST: ["fighting over IPv4 rule 512 lookup 254"]}
    assert repairs.make(((Step(FIRST, RULE),),), kernel.apply, REPAIRS + 1.0) == troubles
    assert len(kernel.made) == REPAIRS
    repairs.make(((Step(FIRST, RULE),),), kernel.apply, REPAIRS + PAUSE)
    assert len(kernel.made) == REPAIRS + 1


def test_a_sysctl_that_cannot_be_set_is_told_and_the_others_are_set() -> None:
    written: dict[str, str] = {}

    def write(values: dict[str, str]) -> None:
        if "bad" in values:
            raise FailedError("cannot set bad", hint="see why")
        written.update(values)

    assert Repairs().set_sysctls({"bad": "1", "good": "2"}, write, 0.0) == ["cannot set bad"]
    assert written == {"good": "2"}


def test_a_sysctl_that_is_set_back_is_fought_over() -> None:
    repairs, written = Repairs(), []
    for second in range(REPAIRS + 2):
        troubles = repairs.set_sysctls({"key": "1"}, written.append, float(second))
    assert troubles == ["fighting over key"]
    assert len(written) == REPAIRS
