"""Which settings kubelet does not take together: it exits at its start on each of these, so they are left out."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from agent.configure import rules
from agent.configure.schema import dotted
from agent.model import Verdict

Config = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Clash:
    """Fields of KubeletConfiguration that are left out together where `broken` holds, and the setting to name."""

    fields: tuple[str, ...]
    setting: str
    says: str
    broken: Callable[[Config], bool]


def _at_most(config: Config, field: str, default: str, least: float) -> bool:
    return rules.seconds(config.get(field, default)) <= least


_SHUTDOWN = ("shutdownGracePeriod", "shutdownGracePeriodCriticalPods")
# k8s.io/kubernetes pkg/kubelet/apis/config/validation, and the managers' own checks; defaults are kubelet's.
_CLASHES = (
    Clash(
        ("imageGCHighThresholdPercent", "imageGCLowThresholdPercent"),
        "image-gc-high-threshold-percent",
        "above image-gc-low-threshold-percent (85 and 80 unless set)",
        lambda config: config.get("imageGCHighThresholdPercent", 85) <= config.get("imageGCLowThresholdPercent", 80),
    ),
    Clash(
        ("imageMaximumGCAge",),
        "image-maximum-gc-age",
        "above image-minimum-gc-age (2m unless set)",
        lambda config: (
            "imageMaximumGCAge" in config
            and _at_most(config, "imageMaximumGCAge", "", rules.seconds(config.get("imageMinimumGCAge", "2m")))
        ),
    ),
    Clash(
        _SHUTDOWN,
        "shutdown-grace-period-for-critical-pods",
        "at most shutdown-grace-period, both 0s or at least 1s",
        lambda config: _odd_shutdown(*(rules.seconds(config.get(field, "0s")) for field in _SHUTDOWN)),
    ),
    Clash(
        ("containerLogMonitorInterval",),
        "container-log-monitor-interval",
        "at least 3s",
        lambda config: rules.seconds(config.get("containerLogMonitorInterval", "10s")) < 3,
    ),
    Clash(
        ("cpuManagerReconcilePeriod",),
        "cpu-manager-reconcile-period",
        "above 0s",
        lambda config: _at_most(config, "cpuManagerReconcilePeriod", "10s", 0),
    ),
    Clash(
        ("cpuManagerPolicyOptions",),
        "cpu-manager-policy-options",
        'beside cpu-manager-policy = "static"',
        lambda config: "cpuManagerPolicyOptions" in config and config.get("cpuManagerPolicy") != "static",
    ),
    Clash(
        ("evictionSoft", "evictionSoftGracePeriod"),
        "eviction-soft",
        "of the same names as eviction-soft-grace-period",
        lambda config: set(config.get("evictionSoft", ())) != set(config.get("evictionSoftGracePeriod", ())),
    ),
)


def coherent(config: Config) -> dict[str, Any]:
    """Return the configuration without what clashes: kubelet's own defaults take its place."""
    out = {field for clash in _CLASHES if clash.broken(config) for field in clash.fields}
    return {field: value for field, value in config.items() if field not in out}


def remarks(config: Config) -> Iterator[Verdict]:
    for clash in _CLASHES:
        if clash.broken(config):
            message = f"refused: must be {clash.says}, or kubelet would not start; its default is used instead"
            yield Verdict(dotted(("kubernetes", clash.setting)), "warning", message, "user data")


def _odd_shutdown(whole: float, critical: float) -> bool:
    return critical > whole or any(0 < period < 1 for period in (whole, critical))
