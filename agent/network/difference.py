"""What to do, in which order, to turn what the kernel has into what it should have; nothing where it is that already.

Of what others made only that goes which would break an ENI of ours: see `_intruders` and `_strays`.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from agent.network.interfaces import altnames, former_altnames
from agent.network.numbers import PRIORITIES, TO_POD
from agent.network.targets import Target, adopted
from agent.network.wanted import MTU, addresses, last_resort, routes, rules
from agent.rtnl import (
    BOOT,
    DHCP,
    KERNEL,
    LOOKUP,
    MAIN_TABLE,
    OUR_PROTOCOL,
    RA,
    UNREACHABLE,
    AddAltname,
    Address,
    AddRule,
    Change,
    Network,
    PutAddress,
    PutRoute,
    RemoveAddress,
    RemoveAltname,
    RemoveRoute,
    RemoveRule,
    Route,
    Rule,
    SetMtu,
    SetUp,
    State,
)


@dataclass(frozen=True, slots=True)
class Step:
    """A change, and the MAC of the ENI that it is for."""

    mac: str
    change: Change


# Stages in the order in which they are made; a later one leaves out what needs something that was refused before.
Stages = tuple[tuple[Step, ...], ...]


def stages(targets: Sequence[Target], state: State) -> Stages:
    """Return the steps: who has gone is cleared away first, as another may have its number already.

    Where its pods are to be refused that comes before, or they would leave by the primary in between. Then links,
    addresses and routes, and rules last, so that none leads to a table without routes; what is too much goes in the
    opposite order, when what replaces it is there.
    """
    want = _Wanted(targets)
    surplus = _surplus_rules(targets, want, state)
    stale = _stale_routes(targets, want, state)
    left = {target.mac for target in targets if target.gone}
    leaving = [step for step in (*surplus, *stale) if step.mac in left]
    missing = _missing_rules(want, state)
    refusals = [step for step in missing if _is_refusal(step.change)]
    return (
        tuple(refusals),
        tuple(leaving),
        # A name may be another's by now.
        (*_former_names(targets), *(step for target in targets for step in _link_steps(target))),
        tuple(step for target in targets for step in _address_steps(target, state)) + _missing_routes(want, state),
        tuple(step for step in missing if step not in refusals),
        (
            *(step for step in (*surplus, *stale) if step.mac not in left),
            *(step for target in targets for step in _intruders(target, targets, state)),
            *_strays(targets, state),
        ),
    )


class _Wanted:
    """All routes and rules that there should be, and for which ENI each is; `kept` are rules that may be needed."""

    def __init__(self, targets: Sequence[Target]) -> None:
        self.routes: dict[Route, str] = {}
        self.rules: dict[Rule, str] = {}
        self.kept: set[Rule] = set()
        taken = {target.holding.table for target in targets if target.link is not None}
        for target in targets:
            for rule in target.lingering_rules(taken):
                self.rules[rule] = target.mac
                if rule.action == LOOKUP and rule.table != MAIN_TABLE:
                    self.routes[last_resort(rule.table, rule.version)] = target.mac
            if target.link is not None:
                self.routes |= dict.fromkeys(routes(target.holding, target.link.index), target.mac)
                self.rules |= dict.fromkeys(rules(target.holding), target.mac)
                self.kept |= frozenset() if target.certain else target.claim.rules
            elif not target.gone:
                # The link may be back in a moment: what does not need it stays, and nothing new comes.
                self.routes |= dict.fromkeys(target.waiting_routes, target.mac)
                self.rules |= dict.fromkeys(target.waiting_rules, target.mac)
        self.places = {_place(route): route for route in self.routes}


def _former_names(targets: Sequence[Target]) -> Iterator[Step]:
    for target in targets:
        if target.link is not None:
            index, names = target.link.index, sorted(former_altnames(target.interface))
            yield from (Step(target.mac, RemoveAltname(index, name)) for name in names)


def _link_steps(target: Target) -> Iterator[Step]:
    """Give what its link lacks; the primary is systemd-networkd's, so that it works while nothing of ours does.

    One that is another account's comes up, as monitoring of nodes takes a link that is down for broken.
    """
    link = target.link
    if link is None:
        return
    changes: list[Change] = []
    if target.interface.primary is False:
        mtu = MTU if link.largest_mtu is None else min(MTU, link.largest_mtu)
        changes += [SetMtu(link.index, mtu)] if target.is_managed and mtu != link.mtu else []
        changes += [] if link.up else [SetUp(link.index)]
    names = altnames(target.interface) - link.altnames - {link.name} if target.interface.is_ours else ()
    changes += [AddAltname(link.index, name) for name in sorted(names)]
    yield from (Step(target.mac, change) for change in changes)


def _address_steps(target: Target, state: State) -> Iterator[Step]:
    if target.link is None:
        return
    there = [address for address in state.addresses if address.index == target.link.index]
    good = {address.value.ip for address in there if address.lasting and address.alone}
    for address in addresses(target.holding, target.link.index):
        if address.value.ip in good:
            continue
        if address.value.version == 6:
            # IPv6 knows an address once a link: one with another length, or one that failed, has to go first.
            same = [each for each in there if each.value.ip == address.value.ip]
            yield from (Step(target.mac, RemoveAddress(each)) for each in same)
        yield Step(target.mac, PutAddress(address))


def _missing_routes(want: _Wanted, state: State) -> tuple[Step, ...]:
    there = {_adopted(route) for route in state.routes}
    return tuple(Step(mac, PutRoute(route)) for route, mac in want.routes.items() if route not in there)


def _stale_routes(targets: Sequence[Target], want: _Wanted, state: State) -> tuple[Step, ...]:
    """Return our routes that are wanted no more, and others' beside ours in our own tables, which may come before ours.

    In the place of a wanted one that is not there a route is replaced, not removed.
    """
    owners = {table: target for target in targets for table in target.claim.tables if table != MAIN_TABLE}
    for target in targets:
        if target.link is not None and target.holding.table is not None:
            owners[target.holding.table] = target
    owners.pop(MAIN_TABLE, None)
    there = {_adopted(route) for route in state.routes}
    found = []
    for route in state.routes:
        if _adopted(route) in want.routes:
            continue
        wanted = want.places.get(_place(route))
        is_beside = wanted is not None and wanted.table != MAIN_TABLE
        if route.protocol != OUR_PROTOCOL and not is_beside:
            continue
        owner = owners.get(route.table)
        if (wanted in there) if wanted else _may_go(route, owner, targets, state):
            found.append(Step(owner.mac if owner else "", RemoveRoute(route)))
    return tuple(found)


def _adopted(route: Route) -> Route:
    """Return the route as ours where it is the VPC CNI's that says the same."""
    return replace(route, protocol=OUR_PROTOCOL) if route.protocol == BOOT else route


def _may_go(route: Route, owner: Target | None, targets: Sequence[Target], state: State) -> bool:
    """Whether it is sure that nothing needs a route of ours: an unknown of the ENI that it may belong to saves it."""
    holders = [owner] if owner is not None else [each for each in targets if route.dst in each.ranges]
    if holders:
        return all(holder.certain for holder in holders)
    is_known = all(target.certain or (target.firm and target.link is None) for target in targets)
    return bool(targets) and is_known and not _is_needed(route, state)


def _is_needed(route: Route, state: State) -> bool:
    """Whether a route that is nobody's serves an ENI of which IMDS does not tell: it has a link, or rules."""
    if route.table == MAIN_TABLE:
        return any(rule.priority == TO_POD and rule.dst == route.dst for rule in state.rules)
    has_link = any(each.index is not None and each.table == route.table for each in state.routes)
    return has_link or any(rule.table == route.table for rule in state.rules)


def _missing_rules(want: _Wanted, state: State) -> tuple[Step, ...]:
    there = {adopted(rule) for rule in state.rules if rule.plain}
    return tuple(Step(mac, AddRule(rule)) for rule, mac in want.rules.items() if rule not in there)


def _is_refusal(change: Change) -> bool:
    return isinstance(change, AddRule) and change.rule.action == UNREACHABLE


def _surplus_rules(targets: Sequence[Target], want: _Wanted, state: State) -> tuple[Step, ...]:
    """Return the rules that were ours and are wanted no more, and those that differ from a wanted one or double it."""
    mine = [rule for rule in state.rules if rule.plain and rule.priority in PRIORITIES]
    owners = {rule: target.mac for target in targets for rule in target.claim.rules}
    selectors = {_selector(rule): mac for rule, mac in want.rules.items()}
    counted = Counter(adopted(rule) for rule in mine)
    found: list[tuple[str, Rule]] = []
    for rule in mine:
        ours = adopted(rule)
        if ours in want.rules:
            # Two that are alike but for saying "kernel" or nothing: one of them is enough.
            if counted[ours] > 1 and rule.protocol == KERNEL:
                found.append((want.rules[ours], rule))
        elif mac := selectors.get(_selector(rule)) or (owners.get(ours) if ours not in want.kept else None):
            found.append((mac, rule))
    return tuple(Step(mac, RemoveRule(rule)) for mac, rule in found if not _is_hidden(rule, state))


def _is_hidden(rule: Rule, state: State) -> bool:
    """Whether the kernel would remove another's rule instead: it takes the first that has what is named, or more."""
    alike = (each for each in state.rules if replace(each, plain=True) == rule)
    return not next(alike).plain


def _intruders(target: Target, targets: Sequence[Target], state: State) -> Iterator[Step]:
    """Give the addresses of a secondary's link that do harm there.

    Those are: what was its own and is no more; a pod's, which the node would take for its own; and one whose network
    would lead the traffic of an ENI's subnet, the primary's too, out of this link.
    """
    if target.link is None or not target.is_managed:
        return
    own = set(target.holding.hosts)
    former = target.claim.hosts - own if target.certain else frozenset()
    for address in state.addresses:
        value = address.value
        if address.index != target.link.index or (address.alone and value.ip in own) or value.is_link_local:
            continue
        if value.ip in former or _does_harm(address, targets):
            yield Step(target.mac, RemoveAddress(address))


def _does_harm(address: Address, targets: Sequence[Target]) -> bool:
    value, ours = address.value, [target for target in targets if target.interface.is_ours]
    is_pods = any(value.version == pod.version and value.ip in pod for each in ours for pod in each.holding.pods)
    is_wide = not address.alone and any(_overlaps(value.network, each.subnets) for each in ours)
    return is_pods or is_wide


def _strays(targets: Sequence[Target], state: State) -> Iterator[Step]:
    """Give the routes that DHCP or an advertisement brought into main by way of a secondary."""
    secondaries = {target.link.index: target.mac for target in targets if target.link and target.is_managed}
    for route in state.routes:
        if route.protocol in {DHCP, RA} and route.table == MAIN_TABLE and route.index in secondaries:
            yield Step(secondaries[route.index or 0], RemoveRoute(route))


def _overlaps(network: Network, subnets: Iterable[Network]) -> bool:
    return any(
        network.version == subnet.version and (network[0] in subnet or subnet[0] in network) for subnet in subnets
    )


def _place(route: Route) -> tuple[object, ...]:
    return (route.table, route.dst, route.metric)


def _selector(rule: Rule) -> tuple[object, ...]:
    return (rule.version, rule.priority, rule.src, rule.dst, rule.mark, rule.mask)
