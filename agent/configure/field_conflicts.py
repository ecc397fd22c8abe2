"""Fields of a user's own KubeletConfiguration that are good by themselves and not together: kubelet would not start.

As k8s.io/kubernetes v1.36 pkg/kubelet/apis/config/validation has it; the field that is named gives way.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from agent.configure import gates
from agent.configure.schema import Path, dotted
from agent.model import Verdict

Config = Mapping[str, Any]


def _unenforced(config: Config) -> bool:
    return config.get("enforceNodeAllocatable", ["pods"]) in ([], ["none"])


_RULES: Iterable[tuple[tuple[str, ...], str, Callable[[Config, bool], bool]]] = (
    (
        ("memoryReservationPolicy",),
        "it needs featureGates.MemoryQoS",
        lambda config, _serving: (
            config.get("memoryReservationPolicy") == "TieredReservation"
            and not gates.is_on(config.get("featureGates", {}), "MemoryQoS")
        ),
    ),
    (
        ("enableSystemLogQuery",),
        "it needs enableSystemLogHandler",
        lambda config, _serving: (
            bool(config.get("enableSystemLogQuery")) and config.get("enableSystemLogHandler") is False
        ),
    ),
    (
        ("preloadedImagesVerificationAllowlist",),
        "it needs imagePullCredentialsVerificationPolicy NeverVerifyAllowlistedImages",
        lambda config, _serving: (
            bool(config.get("preloadedImagesVerificationAllowlist"))
            and config.get("imagePullCredentialsVerificationPolicy") != "NeverVerifyAllowlistedImages"
        ),
    ),
    (
        ("logging", "vmodule"),
        "it needs logging.format text",
        lambda config, _serving: (
            config.get("logging", {}).get("format") == "json" and bool(config.get("logging", {}).get("vmodule"))
        ),
    ),
    (
        ("cgroupsPerQOS",),
        "enforceNodeAllocatable needs it",
        lambda config, _serving: config.get("cgroupsPerQOS") is False and not _unenforced(config),
    ),
    (
        ("featureGates", "RotateKubeletServerCertificate"),
        "server-tls-bootstrap needs it",
        lambda config, serving: (
            serving and config.get("featureGates", {}).get("RotateKubeletServerCertificate") is False
        ),
    ),
)


def settled(
    config: Config, sources: Mapping[Path, str], *, server_tls_bootstrap: bool
) -> tuple[Config, Mapping[Path, Verdict]]:
    """Return the fields with which kubelet starts, and a verdict for each that gave way, by its path."""
    verdicts = {}
    for field, reason, is_bad in _RULES:
        if is_bad(config, server_tls_bootstrap):
            config = without(config, field)
            path = ("kubelet", "config", *field)
            message = f"{reason}, or kubelet would not start; it is left out"
            verdicts[field] = Verdict(dotted(path), "warning", message, sources.get(path, "user data"))
    return config, verdicts


def without(table: Config, path: Path) -> Config:
    """Return tables without the field at a path."""
    name, *below = path
    if not below:
        return {each: value for each, value in table.items() if each != name}
    return {**table, name: without(table[name], tuple(below))}
