"""Fields of a user's own KubeletConfiguration that are good by themselves and not together: kubelet would not start.

As k8s.io/kubernetes v1.36 pkg/kubelet/apis/config/validation has it; the field that is named gives way.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from agent.configure import gates, lift
from agent.configure.kubernetes import Kubernetes
from agent.configure.schema import Path, dotted
from agent.model import Verdict

Config = Mapping[str, Any]
_ENFORCED = "enforceNodeAllocatable"
_CPUS = "there must be no reserved-cpus beside it"


def _unenforced(config: Config) -> bool:
    return config.get(_ENFORCED, ["pods"]) in ([], ["none"])


_RULES: Iterable[tuple[Path, str, Callable[[Config, Kubernetes], bool]]] = (
    (
        ("memoryReservationPolicy",),
        "it needs featureGates.MemoryQoS",
        lambda config, _kubernetes: (
            config.get("memoryReservationPolicy") == "TieredReservation"
            and not gates.is_on(config.get("featureGates", {}), "MemoryQoS")
        ),
    ),
    (
        ("enableSystemLogQuery",),
        "it needs enableSystemLogHandler",
        lambda config, _kubernetes: (
            bool(config.get("enableSystemLogQuery")) and config.get("enableSystemLogHandler") is False
        ),
    ),
    (
        ("preloadedImagesVerificationAllowlist",),
        "it needs imagePullCredentialsVerificationPolicy NeverVerifyAllowlistedImages",
        lambda config, _kubernetes: (
            bool(config.get("preloadedImagesVerificationAllowlist"))
            and config.get("imagePullCredentialsVerificationPolicy") != "NeverVerifyAllowlistedImages"
        ),
    ),
    (
        ("logging", "vmodule"),
        "it needs logging.format text",
        lambda config, _kubernetes: (
            config.get("logging", {}).get("format") == "json" and bool(config.get("logging", {}).get("vmodule"))
        ),
    ),
    (
        ("cgroupsPerQOS",),
        "enforceNodeAllocatable needs it",
        lambda config, _kubernetes: config.get("cgroupsPerQOS") is False and not _unenforced(config),
    ),
    (
        ("featureGates", "RotateKubeletServerCertificate"),
        "server-tls-bootstrap needs it",
        lambda config, kubernetes: (
            kubernetes.server_tls_bootstrap
            and config.get("featureGates", {}).get("RotateKubeletServerCertificate") is False
        ),
    ),
    (
        ("kubeReservedCgroup",),
        _CPUS,
        lambda config, kubernetes: bool(kubernetes.reserved_cpus and config.get("kubeReservedCgroup")),
    ),
    (
        ("systemReservedCgroup",),
        _CPUS,
        lambda config, kubernetes: bool(kubernetes.reserved_cpus and config.get("systemReservedCgroup")),
    ),
)


def settled(
    config: Config, kubernetes: Kubernetes, sources: Mapping[Path, str]
) -> tuple[Config, Mapping[Path, Verdict]]:
    """Return the fields with which kubelet starts, and a verdict for each that gave way, by its path."""
    verdicts = {}

    def say(field: Path, reason: str) -> None:
        path = ("kubelet", "config", *field)
        message = f"{reason}, or kubelet would not start; it is left out"
        verdicts[field] = Verdict(dotted(path), "warning", message, sources.get(path, "user data"))

    given = config.get(_ENFORCED, [])
    reasons = {name: reason for name in given if (reason := _unenforceable(name, config, kubernetes))}
    if reasons:
        config = {**config, _ENFORCED: [name for name in given if name not in reasons]}
        say((_ENFORCED,), "; ".join(f"{name}: {reason}" for name, reason in reasons.items()))
    for field, reason, is_bad in _RULES:
        if is_bad(config, kubernetes):
            config = without(config, field)
            say(field, reason)
    return config, verdicts


def _unenforceable(name: str, config: Config, kubernetes: Kubernetes) -> str:
    """Return why a reservation cannot be enforced: kubelet needs a group for it, and something to hold that to."""
    if not name.startswith(("kube-", "system-")):
        return ""
    share = name.partition("-")[0]
    if kubernetes.reserved_cpus:
        return _CPUS
    if config.get(f"{share}ReservedCgroup") == "":
        return f"it needs {share}ReservedCgroup"
    lacks_amount = share == "system" and not kubernetes.system_reserved
    return "it needs settings.kubernetes.system-reserved" if lacks_amount else ""


def shown(accepted: Config, config: Config, gave_way: Iterable[Path]) -> Config:
    """Return what was accepted without what gave way, and without what kubelet is told by a setting."""
    lifted = (tuple(field.split(".")) for field in lift.fields())
    for path in (*gave_way, *lifted):
        accepted = without(accepted, ("kubelet", "config", *path))
    kept = {name: config[name] for name, *below in gave_way if not below and name in config}
    if not kept:
        return accepted
    kubelet = accepted.get("kubelet", {})
    return {**accepted, "kubelet": {**kubelet, "config": {**kubelet.get("config", {}), **kept}}}


def without(table: Config, path: Path) -> Config:
    """Return tables without the field at a path, and without a table that is empty then."""
    name, *below = path
    rest = without(table[name], tuple(below)) if below and isinstance(table.get(name), Mapping) else None
    others = {each: value for each, value in table.items() if each != name}
    if rest:
        return {**table, name: rest}
    return table if below and rest is None else others
