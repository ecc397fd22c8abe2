"""Making the changes stage by stage, and knowing which of them are made again and again."""

from collections.abc import Callable, Mapping, Sequence

from agent import log
from agent.errors import FailedError
from agent.network.difference import Stages, Step
from agent.network.fights import Fights
from agent.network.wanted import EVERYWHERE
from agent.rtnl import (
    REMOVALS,
    AddRule,
    Change,
    Failure,
    Network,
    PutAddress,
    PutRoute,
    RemoveAddress,
    RemoveRoute,
    RemoveRule,
    SetUp,
    describe,
    subject,
)

Apply = Callable[[Sequence[Change]], Sequence[Failure]]
# So many changes of one ENI at once are named one by one; a new one has dozens.
_NAMED = 3


class Repairs:
    """Applies changes; remembers who fights about what, and how often in a row something was refused.

    `troubles` are those of the last time by MAC, `lacking` the networks for which not all could be made.
    """

    def __init__(self) -> None:
        self.fights = Fights()
        self.failed = 0
        self.troubles: Mapping[str, Sequence[str]] = {}
        self.lacking: Mapping[str, frozenset[Network]] = {}
        self._fought_for: dict[str, str] = {}

    def make(self, planned: Stages, apply: Apply, now: float) -> Mapping[str, Sequence[str]]:
        """Make the changes, and return by MAC why something is not as it should be."""
        troubles: dict[str, list[str]] = {}
        lacking: dict[str, frozenset[Network]] = {}
        made: list[Step] = []
        blocked: set[tuple[str, int]] = set()
        for stage in planned:
            steps = [step for step in stage if not _families(step) & blocked and self._allows(step, now)]
            refused = {failure.change: str(failure) for failure in apply([step.change for step in steps])}
            made += [step for step in steps if step.change not in refused]
            for step in (step for step in steps if step.change in refused):
                troubles.setdefault(step.mac, []).append(refused[step.change])
                lacking[step.mac] = lacking.get(step.mac, frozenset()) | _needing(step)
                blocked |= _families(step) if _needing(step) else set()
        self.failed = self.failed + 1 if troubles else 0
        self.lacking = lacking
        self._note(made, now)
        for each in sorted(self.fights.fought & self._fought_for.keys()):
            troubles.setdefault(self._fought_for[each], []).append(f"fighting over {each}")
        _log(made)
        self.troubles = troubles
        return troubles

    def set_sysctls(
        self, wrong: Mapping[str, str], write: Callable[[Mapping[str, str]], object], now: float
    ) -> list[str]:
        """Give the sysctls their values, and return why those that are not right are not."""
        troubles, made = [], []
        for key, value in wrong.items():
            if not self.fights.allows(key, now):
                troubles.append(f"fighting over {key}")
                continue
            try:
                write({key: value})
            except FailedError as error:  # its link may go at any moment
                troubles.append(error.message)
            else:
                made.append(key)
                log.get("network").info("sysctl changed", key=key, value=value)
        self.fights = self.fights.noted({key: wrong[key] for key in made}, now)
        return troubles

    def _allows(self, step: Step, now: float) -> bool:
        return self.fights.allows(subject(step.change), now)

    def _note(self, made: Sequence[Step], now: float) -> None:
        subjects = {subject(step.change): step.mac for step in made}
        done: dict[str, tuple[Change, ...]] = {}
        for step in made:
            done[subject(step.change)] = (*done.get(subject(step.change), ()), step.change)
        self.fights = self.fights.noted(done, now)
        known = {**self._fought_for, **subjects}
        self._fought_for = {each: mac for each, mac in known.items() if each in self.fights.repairs}


def joined(first: Mapping[str, Sequence[str]], second: Mapping[str, Sequence[str]]) -> Mapping[str, Sequence[str]]:
    """Return the troubles of both."""
    return {mac: [*first.get(mac, ()), *second.get(mac, ())] for mac in {*first, *second}}


def _families(step: Step) -> set[tuple[str, int]]:
    """Return the families of the ENI that a change is of: a refusal in one of them is no reason to leave the other."""
    match step.change:
        case SetUp():
            versions = {4, 6}
        case PutAddress(address) | RemoveAddress(address):
            versions = {address.value.version}
        case PutRoute(route) | RemoveRoute(route):
            versions = {route.dst.version}
        case AddRule(rule) | RemoveRule(rule):
            versions = {rule.version}
        case _:
            versions = set()
    return {(step.mac, version) for version in versions}


def _needing(step: Step) -> frozenset[Network]:
    """Return the networks that are of no use without a change: nothing needs a name, or that something goes."""
    if isinstance(step.change, REMOVALS):
        return frozenset()
    if isinstance(step.change, AddRule):
        return frozenset({step.change.rule.src or step.change.rule.dst or EVERYWHERE[step.change.rule.version]})
    return frozenset(EVERYWHERE[version] for _, version in _families(step))


def _log(made: Sequence[Step]) -> None:
    by_mac: dict[str, list[Change]] = {}
    for step in made:
        by_mac.setdefault(step.mac, []).append(step.change)
    for mac, changes in by_mac.items():
        if len(changes) > _NAMED:
            log.get("network").info("kernel changed", mac=mac, changes=len(changes))
            continue
        for change in changes:
            log.get("network").info("kernel changed", mac=mac, change=describe(change))
