"""Settings that are good by themselves and do not fit this machine: kubelet would not start, so they give way."""

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any

from agent.configure import field_conflicts, reserves
from agent.configure.facts import Facts
from agent.configure.kubernetes_rules import amount, cpu_ranges
from agent.configure.schema import dotted
from agent.configure.settings import Settings
from agent.model import Verdict

_MIB = 1 << 20
# The field that gives way, its new value, why, and the key below it that is meant.
_Misfits = Iterator[tuple[str, Any, str, tuple[str, ...]]]


def fitted(settings: Settings, facts: Facts) -> Settings:
    """Return the settings with which kubelet starts on this machine."""
    return _fit(settings, facts)[0]


def remarks(settings: Settings, facts: Facts) -> tuple[Verdict, ...]:
    return _fit(settings, facts)[1]


def _fit(settings: Settings, facts: Facts) -> tuple[Settings, tuple[Verdict, ...]]:
    said = []
    for rule in (_cpus, _reservations, _memory_manager):
        for target, value, reason, below in list(rule(settings, facts)):
            settings = replace(settings, kubernetes=replace(settings.kubernetes, **{target: value}))
            path = dotted(("kubernetes", target.replace("_", "-"), *below))
            message = f"{reason}, and kubelet would not start; it is not used"
            said.append(Verdict(path, "warning", message, "user data"))
    # What gave way may have been what a field of kubelet's own configuration needs.
    config, lost = field_conflicts.settled(settings.kubelet.config, settings.kubernetes, {})
    return replace(settings, kubelet=replace(settings.kubelet, config=config)), (*said, *lost.values())


def _cpus(settings: Settings, facts: Facts) -> _Misfits:
    wanted = settings.kubernetes.reserved_cpus
    if wanted and max(last for _, last in cpu_ranges(wanted)) >= facts.cpus:
        yield "reserved_cpus", None, f"{wanted} is more than the CPUs of this machine, 0-{facts.cpus - 1}", ()


def _reservations(settings: Settings, facts: Facts) -> _Misfits:
    """Leave out what the user reserves of a resource where it is more than there is."""
    kubernetes = settings.kubernetes
    for resource, capacity in _capacities(settings, facts):
        kept = amount(reserves.kube_reserved(settings, facts)[resource])
        if kept + reserves.others(kubernetes, resource, capacity) <= capacity:
            continue
        names = {"kube_reserved": resource, "system_reserved": resource}
        names |= {"eviction_hard": reserves.SIGNALS[resource]} if resource in reserves.SIGNALS else {}
        for target, name in names.items():
            table = getattr(kubernetes, target)
            if name in table:
                rest = {each: text for each, text in table.items() if each != name}
                yield target, rest, f"more {resource} is reserved in all than this machine has", (name,)


def _capacities(settings: Settings, facts: Facts) -> Iterator[tuple[str, Fraction]]:
    yield "cpu", Fraction(facts.cpus)
    yield "memory", Fraction(facts.memory_mib * _MIB)
    storage_mib = reserves.storage_mib(settings, facts)
    if storage_mib is not None:
        yield "ephemeral-storage", Fraction(storage_mib * _MIB)


def _memory_manager(settings: Settings, facts: Facts) -> _Misfits:
    """Compare sums as kubelet does (pkg/kubelet/cm/memorymanager): it exits where NUMA nodes keep more or less."""
    kubernetes = settings.kubernetes
    if kubernetes.memory_manager_policy != "Static":
        return
    capacity = facts.memory_mib * _MIB
    kept = amount(reserves.kube_reserved(settings, facts)["memory"])
    wanted = kept + reserves.others(kubernetes, "memory", capacity)
    limits = list(kubernetes.memory_manager_reserved_memory.values())
    given = sum((amount(each.get("memory", "0")) for each in limits), Fraction())
    if given != wanted or any(set(each) - {"memory"} for each in limits):
        reason = (
            "memory-manager-reserved-memory must have no huge pages and as much memory in all as kube-reserved,"
            f" system-reserved and eviction-hard, {_text(wanted)}"
        )
        yield "memory_manager_policy", "None", reason, ()


def _text(found: Fraction) -> str:
    return f"{found // _MIB}Mi" if found % _MIB == 0 else f"{found // 1}"
