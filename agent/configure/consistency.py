"""Settings that are good by themselves and not together: kubelet would not start, so they give way to its defaults."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from agent.configure import gates
from agent.configure.kubernetes import Kubernetes
from agent.configure.kubernetes_rules import amount
from agent.configure.rules import seconds
from agent.configure.schema import Path, dotted, keys
from agent.model import Verdict

# kubelet's defaults (k8s.io/kubernetes pkg/kubelet/apis/config/v1beta1/defaults.go).
_GC_HIGH = 85
_GC_LOW = 80
_GC_AGE = "2m"
SHUTDOWN = ("shutdown_grace_period", "shutdown_grace_period_for_critical_pods")
BY_PRIORITY = "shutdownGracePeriodByPodPriority"
# k8s.io/kubernetes pkg/kubelet/cm/cpumanager/policy_options.go.
_ALPHA_OPTIONS = frozenset({"align-by-socket", "distribute-cpus-across-cores"})
_RIVALS = (
    ("full-pcpus-only", "distribute-cpus-across-cores"),
    ("distribute-cpus-across-numa", "distribute-cpus-across-cores"),
    ("prefer-align-cpus-by-uncorecache", "distribute-cpus-across-cores"),
    ("prefer-align-cpus-by-uncorecache", "distribute-cpus-across-numa"),
)
_IDS_PER_POD = 65536
_ALPHA_GATE = "CPUManagerPolicyAlphaOptions"
# The field that gives way, its new value and why.
Changes = Iterator[tuple[str, Any, str]]
_DEFAULTS = {target: default for _, target, _, default in keys(Kubernetes)}


def settled(
    kubernetes: Kubernetes, config: Mapping[str, Any], sources: Mapping[Path, str]
) -> tuple[Kubernetes, Mapping[str, Verdict]]:
    """Return the settings with which kubelet starts, and a verdict for each that gave way, by its name.

    `config` is what the user says to kubelet beside them.
    """
    gave_way = {}
    for rule in _RULES:
        for target, value, reason in list(rule(kubernetes, config)):
            kubernetes = replace(kubernetes, **{target: value})
            name = target.replace("_", "-")
            path = ("kubernetes", name)
            message = f"{reason}; it is not used"
            gave_way[name] = Verdict(dotted(path), "warning", message, sources.get(path, "defaults"))
    return kubernetes, gave_way


def accepted(table: Mapping[str, Any], gave_way: Mapping[str, object]) -> Mapping[str, Any]:
    """Return what was accepted of [settings.kubernetes], with defaults for what gave way."""
    names = {name: default for name, _, _, default in keys(Kubernetes) if name in gave_way}
    kept = {name: raw for name, raw in table.items() if name not in names}
    return kept | {name: default for name, default in names.items() if default is not None}


def _image_thresholds(kubernetes: Kubernetes, _config: Mapping[str, Any]) -> Changes:
    low, high = kubernetes.image_gc_low_threshold_percent, kubernetes.image_gc_high_threshold_percent
    if (_GC_LOW if low is None else low) >= (_GC_HIGH if high is None else high):
        reason = "image-gc-low-threshold-percent must be below image-gc-high-threshold-percent"
        yield from _default(reason, kubernetes, "image_gc_low_threshold_percent", "image_gc_high_threshold_percent")


def _image_ages(kubernetes: Kubernetes, _config: Mapping[str, Any]) -> Changes:
    least, most = kubernetes.image_minimum_gc_age or _GC_AGE, kubernetes.image_maximum_gc_age
    if most and 0 < seconds(most) <= seconds(least):
        reason = f"image-maximum-gc-age must be more than image-minimum-gc-age, {least}"
        yield from _default(reason, kubernetes, "image_maximum_gc_age")


def _shutdown(kubernetes: Kubernetes, config: Mapping[str, Any]) -> Changes:
    if config.get(BY_PRIORITY):
        yield from _default(f"kubelet.config.{BY_PRIORITY} takes its place", kubernetes, *SHUTDOWN)
    elif any(0 < seconds(getattr(kubernetes, name)) < 1 for name in SHUTDOWN):
        yield from _default("a shutdown grace period must be 0s or at least 1s", kubernetes, *SHUTDOWN)
    elif not seconds(kubernetes.shutdown_grace_period):
        if seconds(kubernetes.shutdown_grace_period_for_critical_pods):
            yield SHUTDOWN[1], "0s", "shutdown-grace-period is 0s, of which it would be a part"
    elif seconds(kubernetes.shutdown_grace_period_for_critical_pods) > seconds(kubernetes.shutdown_grace_period):
        reason = "shutdown-grace-period must not be below shutdown-grace-period-for-critical-pods"
        yield from _default(reason, kubernetes, *SHUTDOWN)


def _no_cpu_for_the_host(kubernetes: Kubernetes, _config: Mapping[str, Any]) -> Changes:
    reserved = (table.get("cpu", default) for table, default in _of_host(kubernetes))
    if kubernetes.cpu_manager_policy == "static" and not kubernetes.reserved_cpus and not any(map(amount, reserved)):
        reason = "cpu-manager-policy static needs some cpu in kube-reserved or system-reserved"
        yield from _default(reason, kubernetes, "cpu_manager_policy")


def _of_host(kubernetes: Kubernetes) -> Iterator[tuple[Mapping[str, str], str]]:
    """Give what is reserved, and what is where nothing is said: kubelet's share is computed then, and never nothing."""
    yield kubernetes.kube_reserved, "1m"
    yield kubernetes.system_reserved, "0"


def _cpu_options(kubernetes: Kubernetes, config: Mapping[str, Any]) -> Changes:
    options = kubernetes.cpu_manager_policy_options or {}
    alpha = sorted(_ALPHA_OPTIONS & set(options))
    if options and kubernetes.cpu_manager_policy != "static":
        yield from _default("only cpu-manager-policy static has options", kubernetes, "cpu_manager_policy_options")
    elif alpha and not gates.is_on(config.get("featureGates", {}), _ALPHA_GATE):
        left = {name: each for name, each in options.items() if name not in alpha}
        reason = f"{', '.join(alpha)} needs kubelet.config.featureGates.{_ALPHA_GATE}"
        yield "cpu_manager_policy_options", left or None, reason
    for pair in _RIVALS:
        if set(pair) <= set(options) and not set(pair) & set(alpha):
            left = {name: each for name, each in options.items() if name not in pair}
            yield "cpu_manager_policy_options", left or None, f"{' and '.join(pair)} exclude each other"


def _user_ids(kubernetes: Kubernetes, _config: Mapping[str, Any]) -> Changes:
    """Leave every pod its user IDs of the 32 bits that there are, but for the host's (pkg/kubelet/userns)."""
    wanted = kubernetes.ids_per_pod or _IDS_PER_POD
    if kubernetes.max_pods > (1 << 32) // wanted - 1:
        reason = f"{kubernetes.max_pods} pods of {wanted} user IDs each are more than 32 bits can tell apart"
        yield from _default(reason, kubernetes, "ids_per_pod" if wanted != _IDS_PER_POD else "max_pods")


def _parallel_pulls(kubernetes: Kubernetes, config: Mapping[str, Any]) -> Changes:
    if config.get("serializeImagePulls") and (kubernetes.max_parallel_image_pulls or 1) > 1:
        reason = "kubelet.config.serializeImagePulls lets one image be pulled at a time"
        yield from _default(reason, kubernetes, "max_parallel_image_pulls")


def _too_short(kubernetes: Kubernetes, _config: Mapping[str, Any]) -> Changes:
    if seconds(kubernetes.container_log_monitor_interval or "10s") < 3:
        reason = "container-log-monitor-interval must be at least 3s"
        yield from _default(reason, kubernetes, "container_log_monitor_interval")
    if seconds(kubernetes.cpu_manager_reconcile_period or "10s") <= 0:
        reason = "cpu-manager-reconcile-period must be above 0s"
        yield from _default(reason, kubernetes, "cpu_manager_reconcile_period")


def _without_grace(kubernetes: Kubernetes, _config: Mapping[str, Any]) -> Changes:
    soft, grace = kubernetes.eviction_soft, kubernetes.eviction_soft_grace_period
    lost = sorted(set(soft) - set(grace))
    if lost:
        reason = f"eviction-soft-grace-period must have {', '.join(lost)} too"
        yield "eviction_soft", {signal: text for signal, text in soft.items() if signal in grace}, reason


def _default(reason: str, kubernetes: Kubernetes, *targets: str) -> Changes:
    return (
        (target, _DEFAULTS[target], reason) for target in targets if getattr(kubernetes, target) != _DEFAULTS[target]
    )


_RULES: tuple[Callable[[Kubernetes, Mapping[str, Any]], Changes], ...] = (
    _image_thresholds,
    _image_ages,
    _shutdown,
    _no_cpu_for_the_host,
    _cpu_options,
    _parallel_pulls,
    _user_ids,
    _too_short,
    _without_grace,
)
