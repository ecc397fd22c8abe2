"""Settings that are good by themselves and not together: kubelet would not start, so they give way to its defaults."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from agent.configure.kubernetes import Kubernetes
from agent.configure.rules import seconds
from agent.configure.schema import Path, dotted, keys
from agent.model import Verdict

# kubelet's defaults (k8s.io/kubernetes pkg/kubelet/apis/config/v1beta1/defaults.go).
_GC_HIGH = 85
_GC_LOW = 80
_GC_AGE = "2m"
_DEFAULTS = {target: default for _, target, _, default in keys(Kubernetes)}


def settled(kubernetes: Kubernetes, sources: Mapping[Path, str]) -> tuple[Kubernetes, Mapping[str, Verdict]]:
    """Return the settings with which kubelet starts, and a verdict for each that gave way, by its name."""
    changes: dict[str, Any] = {}
    gave_way = {}
    for target, value, reason in _conflicts(kubernetes):
        changes[target] = value
        name = target.replace("_", "-")
        path = ("kubernetes", name)
        message = f"{reason}; it is not used"
        gave_way[name] = Verdict(dotted(path), "warning", message, sources.get(path, "defaults"))
    return replace(kubernetes, **changes), gave_way


def accepted(table: Mapping[str, Any], gave_way: Mapping[str, object]) -> Mapping[str, Any]:
    """Return what was accepted of [settings.kubernetes], with defaults for what gave way."""
    names = {name: default for name, _, _, default in keys(Kubernetes) if name in gave_way}
    kept = {name: raw for name, raw in table.items() if name not in names}
    return kept | {name: default for name, default in names.items() if default is not None}


def _conflicts(kubernetes: Kubernetes) -> Iterator[tuple[str, Any, str]]:
    """Give the field that gives way, its new value and why."""
    low, high = kubernetes.image_gc_low_threshold_percent, kubernetes.image_gc_high_threshold_percent
    if (_GC_LOW if low is None else low) >= (_GC_HIGH if high is None else high):
        reason = "image-gc-low-threshold-percent must be below image-gc-high-threshold-percent"
        yield from _default(reason, kubernetes, "image_gc_low_threshold_percent", "image_gc_high_threshold_percent")
    least, most = kubernetes.image_minimum_gc_age or _GC_AGE, kubernetes.image_maximum_gc_age
    if most and 0 < seconds(most) <= seconds(least):
        reason = f"image-maximum-gc-age must be more than image-minimum-gc-age, {least}"
        yield from _default(reason, kubernetes, "image_maximum_gc_age")
    if seconds(kubernetes.shutdown_grace_period_for_critical_pods) > seconds(kubernetes.shutdown_grace_period):
        reason = "shutdown-grace-period must not be below shutdown-grace-period-for-critical-pods"
        names = ("shutdown_grace_period", "shutdown_grace_period_for_critical_pods")
        yield from _default(reason, kubernetes, *names)
    if kubernetes.cpu_manager_policy_options and kubernetes.cpu_manager_policy != "static":
        yield from _default("only cpu-manager-policy static has options", kubernetes, "cpu_manager_policy_options")
    yield from _too_short(kubernetes)
    yield from _without_grace(kubernetes)


def _too_short(kubernetes: Kubernetes) -> Iterator[tuple[str, Any, str]]:
    shutdown = ("shutdown_grace_period", "shutdown_grace_period_for_critical_pods")
    if any(0 < seconds(getattr(kubernetes, name)) < 1 for name in shutdown):
        yield from _default("a shutdown grace period must be 0s or at least 1s", kubernetes, *shutdown)
    if seconds(kubernetes.container_log_monitor_interval or "10s") < 3:
        reason = "container-log-monitor-interval must be at least 3s"
        yield from _default(reason, kubernetes, "container_log_monitor_interval")
    if seconds(kubernetes.cpu_manager_reconcile_period or "10s") <= 0:
        reason = "cpu-manager-reconcile-period must be above 0s"
        yield from _default(reason, kubernetes, "cpu_manager_reconcile_period")


def _without_grace(kubernetes: Kubernetes) -> Iterator[tuple[str, Any, str]]:
    soft, grace = kubernetes.eviction_soft, kubernetes.eviction_soft_grace_period
    lost = sorted(set(soft) - set(grace))
    if lost:
        reason = f"eviction-soft-grace-period must have {', '.join(lost)} too"
        yield "eviction_soft", {signal: text for signal, text in soft.items() if signal in grace}, reason


def _default(reason: str, kubernetes: Kubernetes, *targets: str) -> Iterator[tuple[str, Any, str]]:
    return (
        (target, _DEFAULTS[target], reason) for target in targets if getattr(kubernetes, target) != _DEFAULTS[target]
    )
