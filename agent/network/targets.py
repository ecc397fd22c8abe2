"""What each ENI should have now, beside what it had: the two ends of a pass."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from agent.model import Unknown
from agent.network.interfaces import Interface
from agent.network.numbers import FROM_POD, PRIORITIES, TO_POD
from agent.network.wanted import Holding, catchers, last_resort, rules
from agent.rtnl import KERNEL, MAIN_TABLE, UNREACHABLE, UNSPEC, Host, Link, Network, Route, Rule, State


@dataclass(frozen=True, slots=True)
class Claim:
    """What of the kernel was made for an ENI and may still be there: only that may be removed."""

    rules: frozenset[Rule] = frozenset()
    hosts: frozenset[Host] = frozenset()
    tables: frozenset[int] = frozenset()

    def joined(self, holding: Holding) -> "Claim":
        """Return the claim with what is about to be made."""
        tables = set() if holding.table in {None, MAIN_TABLE} else {holding.table or 0}
        joined = Claim(self.rules.union(rules(holding)), self.hosts.union(holding.hosts), self.tables | tables)
        return self if joined == self else joined

    def refusing(self, lingering: AbstractSet[Network]) -> "Claim":
        """Return the claim with what may have been made to refuse packets of these ranges."""
        rules = {refusing(rule) for rule in self.rules if rule.priority == FROM_POD and rule.src in lingering}
        return self if rules <= self.rules else replace(self, rules=self.rules | rules)

    def pruned(self, rules: AbstractSet[Rule], hosts: AbstractSet[Host], tables: AbstractSet[int]) -> "Claim":
        """Return the claim on what is still there."""
        if self.rules <= rules and self.hosts <= hosts and self.tables <= tables:
            return self
        return Claim(self.rules & rules, self.hosts & hosts, self.tables & tables)

    @property
    def pods(self) -> frozenset[Network]:
        return frozenset(rule.dst for rule in self.rules if rule.priority == TO_POD and rule.dst)


NOTHING = Claim()


@dataclass(frozen=True, slots=True)
class Target:
    """An ENI in a pass. `holding` is empty once it has gone; `lingering` are former ranges that pods still use.

    `ceded`: ranges of its own that another ENI has been given since. `firm`: what IMDS says of it was said twice.
    `gone`: its link went, and not only to be renamed.
    """

    interface: Interface
    holding: Holding
    claim: Claim
    firm: bool
    gone: bool = False
    lingering: frozenset[Network] = frozenset()
    ceded: frozenset[Network] = frozenset()

    @property
    def mac(self) -> str:
        return self.holding.mac

    @property
    def link(self) -> Link | None:
        return self.interface.link

    @property
    def is_managed(self) -> bool:
        """Whether it is a secondary whose link is made as it should be."""
        return self.interface.primary is False and self.interface.is_ours

    @property
    def certain(self) -> bool:
        """Whether what is not wanted of it may go: nothing goes because of an unknown."""
        known = self.firm and not isinstance(self.interface.owned, Unknown)
        return self.gone or (known and self.link is not None and self.holding.table is not None)

    @property
    def withdrawn(self) -> frozenset[Network]:
        """Return the ranges that pods were given and are given no more."""
        return self.claim.pods - set(self.holding.pods) - self.ceded

    @property
    def ranges(self) -> frozenset[Network]:
        """Return the ranges that pods are given, or were."""
        return self.withdrawn.union(self.holding.pods)

    @property
    def subnets(self) -> tuple[Network, ...]:
        eni = self.interface.eni
        four = () if eni.subnet_ipv4_cidr is None else (eni.subnet_ipv4_cidr,)
        six = () if isinstance(eni.subnet_ipv6_cidrs, Unknown) else eni.subnet_ipv6_cidrs or ()
        return tuple(each for each in (*four, *six) if not isinstance(each, Unknown))

    @property
    def waiting_routes(self) -> tuple[Route, ...]:
        """Return the routes that outlive the link, where any were made."""
        if not self.claim.rules:
            return ()
        resorts = [
            last_resort(table, gateway.version) for table in self.claim.tables for gateway in self.holding.gateways
        ]
        return (*resorts, *catchers(self.holding.prefixes))

    @property
    def waiting_rules(self) -> tuple[Rule, ...]:
        """Return the rules that outlive the link."""
        return tuple(rule for rule in self.claim.rules if not {rule.src, rule.dst} & self.ceded)

    def lingering_rules(self, taken: Collection[int | None]) -> tuple[Rule, ...]:
        """Return the rules of the ranges that pods still use.

        Without its link a range's `from` rule leads to the last resort: a refusal, not a leak by the primary. Where the
        table is another's by now, the rule itself refuses.
        """
        to_pods = [rule for rule in self.claim.rules if rule.priority == TO_POD and rule.dst in self.lingering]
        from_pods = [rule for rule in self.claim.rules if rule.priority == FROM_POD and rule.src in self.lingering]
        return (*to_pods, *(refusing(rule) if self.gone and rule.table in taken else rule for rule in from_pods))


def refusing(rule: Rule) -> Rule:
    """Return the rule that refuses what this one leads to a table."""
    return replace(rule, table=0, action=UNREACHABLE)


def used(networks: Iterable[Network], main: Sequence[Route], own_links: Collection[int]) -> frozenset[Network]:
    """Return the networks of which a pod has an address: the main table leads to it by a link that is no ENI."""
    pods = [
        route.dst
        for route in main
        if route.index is not None and route.index not in own_links and route.dst.prefixlen == route.dst.max_prefixlen
    ]
    return frozenset(each for each in networks if any(pod.version == each.version and pod[0] in each for pod in pods))


def adopted(rule: Rule) -> Rule:
    """Return the rule as ours where another's says the same: that nobody made it, or the kernel."""
    return replace(rule, protocol=KERNEL) if rule.protocol == UNSPEC else rule


def without_ceded(targets: Sequence[Target], leaving: Collection[str]) -> tuple[Target, ...]:
    """Return the targets in which a range belongs to one ENI: to who stays, not to who has no link or is `leaving`."""
    staying = {target.mac for target in targets if target.link is not None and target.mac not in leaving}
    if not any(target.mac not in staying or target.withdrawn for target in targets):
        return tuple(targets)  # as nearly always
    given = {pod: target.mac for target in targets if target.mac in staying for pod in target.holding.pods}
    return tuple(_ceding(target, given, staying) for target in targets)


def _ceding(target: Target, given: Mapping[Network, str], staying: Collection[str]) -> Target:
    held = target.holding
    ceded = {pod for pod in target.claim.pods | set(held.pods) if given.get(pod, target.mac) != target.mac}
    if target.mac in staying:
        ceded -= set(held.pods)
    if not ceded:
        return target
    prefixes, singles = (
        tuple(each for each in ranges if each not in ceded) for ranges in (held.prefixes, held.singles)
    )
    return replace(target, holding=replace(held, prefixes=prefixes, singles=singles), ceded=frozenset(ceded))


def pruned(targets: Sequence[Target], state: State) -> tuple[Target, ...]:
    """Return the targets with claims only on what is still there, and on no table that another has by now."""
    rules_there = {adopted(rule) for rule in state.rules if rule.plain and rule.priority in PRIORITIES}
    hosts = {address.value.ip for address in state.addresses}
    tables = {route.table for route in state.routes}
    held = {each.holding.table: each.mac for each in targets if each.link is not None}
    return tuple(
        replace(each, claim=each.claim.pruned(rules_there, hosts, tables - _of_others(held, each.mac)))
        for each in targets
    )


def _of_others(held: Mapping[int | None, str], mac: str) -> set[int]:
    return {table for table, holder in held.items() if table is not None and holder != mac}
