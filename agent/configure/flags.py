"""The flags that a user gives kubelet, as far as they are no settings: which of them kubelet may see."""

from collections.abc import Iterator

from agent.configure.schema import dotted
from agent.configure.settings import Settings
from agent.model import Verdict

# Flags of older releases that launch templates still carry; kubelet exits on one that it does not know.
_REMOVED = frozenset({
    "cloud-config", "cni-bin-dir", "cni-cache-dir", "cni-conf-dir", "container-runtime", "docker-endpoint",
    "dynamic-config-dir", "image-pull-progress-deadline", "keep-terminated-pod-volumes", "master-service-namespace",
    "network-plugin", "network-plugin-mtu", "non-masquerade-cidr", "pod-infra-container-image",
    "register-schedulable", "seccomp-profile-root",
})  # fmt: skip


def passed_on(settings: Settings) -> list[str]:
    """Return the flags that kubelet gets as they are."""
    return [flag for flag in settings.kubelet.flags if name(flag) not in _REMOVED]


def name(flag: str) -> str:
    return flag.lstrip("-").partition("=")[0]


def remarks(settings: Settings) -> Iterator[Verdict]:
    for flag in settings.kubelet.flags:
        if name(flag) in _REMOVED:
            message = f"--{name(flag)} is left out: kubelet has it no more, and would not start"
            yield Verdict(dotted(("kubelet", "flags")), "warning", message, "user data")
