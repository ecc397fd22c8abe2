"""Making changes stage by stage: what is refused, what is left out after that, and what is fought over."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_interface, ip_network

import pytest

from agent.errors import FailedError
from agent.network.difference import Step
from agent.network.fights import PAUSE, REPAIRS
from agent.network.repairs import Repairs
from agent.rtnl import (
    UNREACHABLE,
    AddAltname,
    Address,
    AddRule,
    Change,
    Failure,
    PutAddress,
    PutRoute,
    RemoveAltname,
    RemoveRoute,
    RemoveRule,
    Route,
    Rule,
    SetMtu,
    SetUp,
)

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


def test_what_refuses_a_pod_comes_before_its_way_out_goes() -> None:
    """A rule that could not be made keeps the one that it replaces: the next pass tries both again."""
    refusal = AddRule(Rule(4, 1536, 0, src=ip_network("10.1.1.16/28"), action=UNREACHABLE))
    old = RemoveRule(Rule(4, 1536, 3, src=ip_network("10.1.1.16/28")))
    kernel, repairs = Kernel(frozenset({refusal})), Repairs()
    assert list(repairs.make(((Step(FIRST, refusal),), (Step(FIRST, old),)), kernel.apply, 0.0)) == [FIRST]
    assert kernel.made == []


EVERY4, EVERY6 = ip_network("0.0.0.0/0"), ip_network("::/0")


@pytest.mark.parametrize(
    ("refused", "made", "lacking"),
    [
        (AddAltname(2, "name"), [4, 6], set()),
        (SetMtu(2, 9001), [4, 6], set()),
        (RemoveAltname(2, "name"), [4, 6], set()),
        (RemoveRoute(Route(3, EVERY4)), [4, 6], set()),
        (PutRoute(Route(3, EVERY6)), [4], {EVERY6}),
        (PutAddress(Address(2, ip_interface("10.1.0.9/32"))), [6], {EVERY4}),
        (SetUp(2), [], {EVERY4, EVERY6}),
        (AddRule(Rule(6, 1536, 3, src=ip_network("2001:db8::/80"))), [4], {ip_network("2001:db8::/80")}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_refusal_costs_what_needs_it(refused: Change, made: list[int], lacking: set[object]) -> None:
    kernel, repairs = Kernel(frozenset({refused})), Repairs()
    rules = [AddRule(Rule(version, 512, 254)) for version in (4, 6)]
    assert list(repairs.make(((Step(FIRST, refused),), tuple(Step(FIRST, rule) for rule in rules)), kernel.apply, 0.0))
    assert kernel.made == [rule for rule in rules if rule.rule.version in made]
    assert repairs.lacking.get(FIRST, set()) == lacking
    repairs.make((), kernel.apply, 1.0)
    assert repairs.lacking == {}


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
