"""The flags that a user gives kubelet, as a NodeConfig has them: what they say, and which of them kubelet may see."""

from collections.abc import Iterator, Mapping

from agent.configure import kubernetes_rules
from agent.configure.schema import RefusedError, dotted
from agent.configure.settings import Settings
from agent.model import Verdict

# Flags of older releases that launch templates still carry; kubelet exits on one that it does not know.
_REMOVED = frozenset({
    "cloud-config", "cni-bin-dir", "cni-cache-dir", "cni-conf-dir", "container-runtime", "docker-endpoint",
    "dynamic-config-dir", "image-pull-progress-deadline", "keep-terminated-pod-volumes", "master-service-namespace",
    "network-plugin", "network-plugin-mtu", "non-masquerade-cidr", "pod-infra-container-image",
    "register-schedulable", "seccomp-profile-root",
})  # fmt: skip
_LABELS = "node-labels"
_PATH = dotted(("kubelet", "flags"))


def passed_on(settings: Settings) -> list[str]:
    """Return the flags that kubelet gets as they are; labels are merged with the others instead."""
    return [flag for flag in settings.kubelet.flags if _name(flag) not in {*_REMOVED, _LABELS}]


def value(settings: Settings, name: str) -> str | None:
    """Return what the user gives a flag; the last one counts."""
    values = [flag.partition("=")[2] for flag in settings.kubelet.flags if _name(flag) == name]
    return values[-1] if values else None


def labels(settings: Settings) -> Mapping[str, str]:
    """Return the labels of settings and flags that kubelet may set on itself; a flag wins."""
    return {**settings.kubernetes.node_labels, **dict(pair for pair in _labels(settings) if not _refusal(*pair))}


def remarks(settings: Settings) -> Iterator[Verdict]:
    for flag in settings.kubelet.flags:
        if _name(flag) in _REMOVED:
            message = f"--{_name(flag)} is left out: kubelet has it no more, and would not start"
            yield Verdict(_PATH, "warning", message, "user data")
    for name, text in _labels(settings):
        refusal = _refusal(name, text)
        if refusal:
            yield Verdict(_PATH, "warning", f"the label {name!a} is left out: must be {refusal}", "user data")


def _labels(settings: Settings) -> Iterator[tuple[str, str]]:
    for flag in settings.kubelet.flags:
        if _name(flag) == _LABELS:
            for pair in filter(None, flag.partition("=")[2].split(",")):
                name, _, text = pair.partition("=")
                yield name, text


def _refusal(name: str, text: str) -> str:
    try:
        kubernetes_rules.label(name, text)
    except RefusedError as reason:
        return str(reason) or kubernetes_rules.label.says
    return ""


def _name(flag: str) -> str:
    return flag.lstrip("-").partition("=")[0]
