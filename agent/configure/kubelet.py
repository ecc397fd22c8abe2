"""kubelet's configuration, flags and kubeconfig, with the defaults of current EKS nodes."""

import json
from collections.abc import Mapping
from typing import Any

from agent.configure import consistency, fitting, flags, lift, naming, providers, reserves
from agent.configure.facts import Facts
from agent.configure.kubernetes import Kubernetes
from agent.configure.schema import Entries, Value, keys
from agent.configure.settings import Settings
from agent.model import FileSpec

FOLDER = "/etc/kubernetes/kubelet"
AUTHORITY = "/etc/kubernetes/pki/ca.crt"
CONTAINERD_SOCKET = "unix:///run/containerd/containerd.sock"
_CONFIG = f"{FOLDER}/config.json"
_DROP_INS = f"{FOLDER}/config.json.d"
_KUBECONFIG = f"{FOLDER}/kubeconfig"
_STATIC_PODS = "/etc/kubernetes/static-pods"
_KIND = {"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration"}
_DROP_INS_NOTE = """\
kubelet reads the *.conf files of this folder after ../config.json, in name order; a later one wins, lists are replaced.
"""
_CIPHERS = [
    f"TLS_ECDHE_{key}_WITH_{cipher}"
    for key in ("ECDSA", "RSA")
    for cipher in ("AES_128_GCM_SHA256", "AES_256_GCM_SHA384", "CHACHA20_POLY1305_SHA256")
]


def files(settings: Settings, facts: Facts) -> list[FileSpec]:
    authority = "".join(certificate.pem for certificate in settings.kubernetes.cluster_certificate)
    decided = config(settings, facts)
    own = fitting.fitted(settings, facts).kubelet.config
    return [
        FileSpec(_CONFIG, _json(decided), 0o600),
        FileSpec(f"{_DROP_INS}/README", _DROP_INS_NOTE.encode()),
        *_drop_in(lift.agreed(own, decided)),
        FileSpec(_KUBECONFIG, _json(_kubeconfig(settings.kubernetes, naming.node_name(settings, facts))), 0o600),
        FileSpec(f"{FOLDER}/flags.env", f'KUBELET_FLAGS="{" ".join(_flags(settings, facts))}"\n'.encode()),
        FileSpec(AUTHORITY, authority.encode()),
        *_static_pods(settings.kubernetes),
    ]


def config(settings: Settings, facts: Facts) -> Mapping[str, Any]:
    """Return config.json; the user's own fields are in a drop-in that kubelet reads after it."""
    settings = fitting.fitted(settings, facts)
    kubernetes = settings.kubernetes
    return {
        **_defaults(),
        **_optional(kubernetes),
        **_cgroups(kubernetes),
        **_chosen(kubernetes, settings.kubelet.config),
        "address": "::" if naming.is_ipv6(settings) else "0.0.0.0",  # noqa: S104 - kubelet's API is for the cluster
        "clusterDNS": naming.cluster_dns(settings, facts),
        "evictionHard": reserves.eviction_hard(kubernetes),
        "kubeReserved": reserves.kube_reserved(settings, facts),
        "logging": {"verbosity": kubernetes.log_level},
        "providerID": naming.provider_id(settings, facts),
        "registerWithTaints": [
            {"effect": taint.effect, "key": name, "value": taint.value}
            for name, taints in sorted(kubernetes.node_taints.items())
            for taint in taints
        ],
    }


def _defaults() -> Mapping[str, Any]:
    return {
        **_KIND,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"cacheTTL": "2m0s", "enabled": True},
            "x509": {"clientCAFile": AUTHORITY},
        },
        "authorization": {
            "mode": "Webhook",
            "webhook": {"cacheAuthorizedTTL": "5m0s", "cacheUnauthorizedTTL": "30s"},
        },
        "cgroupDriver": "systemd",
        "cgroupRoot": "/",
        "containerRuntimeEndpoint": CONTAINERD_SOCKET,
        "hairpinMode": "hairpin-veth",
        "protectKernelDefaults": True,
        "readOnlyPort": 0,
        # Pods must not be sent to systemd-resolved's stub, which listens on the host's loopback only.
        "resolvConf": "/run/systemd/resolve/resolv.conf",
        "serializeImagePulls": False,
        "tlsCipherSuites": _CIPHERS,
        # The usual folder is on the read-only root.
        "volumePluginDir": "/var/lib/kubelet/plugins/volume/exec",
    }


def _chosen(kubernetes: Kubernetes, own: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that KubeletConfiguration has under a name of its own, with nothing else to them."""
    chosen = {}
    by_priority = consistency.SHUTDOWN if own.get(consistency.BY_PRIORITY) else ()
    for _, target, spec, _ in keys(Kubernetes):
        value = getattr(kubernetes, target)
        if isinstance(spec, Value | Entries) and spec.kubelet and value not in (None, {}) and target not in by_priority:
            chosen[spec.kubelet] = value
    return chosen


def _optional(kubernetes: Kubernetes) -> dict[str, Any]:
    """Return the fields that are there only where a setting asks for them, and are shaped otherwise than it."""
    fields: dict[str, Any] = {}
    limits = sorted((int(node), each) for node, each in kubernetes.memory_manager_reserved_memory.items() if each)
    if limits:
        fields["reservedMemory"] = [{"limits": each, "numaNode": node} for node, each in limits]
    if kubernetes.ids_per_pod is not None:
        fields["userNamespaces"] = {"idsPerPod": kubernetes.ids_per_pod}
    if kubernetes.memory_swap_behavior is not None:
        fields |= {"failSwapOn": False, "memorySwap": {"swapBehavior": kubernetes.memory_swap_behavior}}
    if _static_pods(kubernetes):
        fields["staticPodPath"] = _STATIC_PODS
    return fields


def _cgroups(kubernetes: Kubernetes) -> dict[str, str]:
    """Return the groups that reservations are for; kubelet takes none beside CPUs that are reserved by number."""
    return {} if kubernetes.reserved_cpus else {"kubeReservedCgroup": "/runtime", "systemReservedCgroup": "/system"}


def _drop_in(own: Mapping[str, Any]) -> list[FileSpec]:
    """Return the user's fields under the name that nodeadm gives them."""
    return [FileSpec(f"{_DROP_INS}/40-nodeadm.conf", _json({**own, **_KIND}), 0o600)] if own else []


def _static_pods(kubernetes: Kubernetes) -> list[FileSpec]:
    wanted = kubernetes.static_pods.items() if kubernetes.static_pods_enabled else ()
    return [
        FileSpec(f"{_STATIC_PODS}/{name}.yaml", pod.manifest, 0o600, secret=True)
        for name, pod in sorted(wanted)
        if pod.enabled and pod.manifest
    ]


def _flags(settings: Settings, facts: Facts) -> list[str]:
    """Return our flags in the order of their names, then the user's in theirs, as the last one of a name wins.

    By the rules no value can hold a space or a quote.
    """
    ours = {
        "cloud-provider": "external",
        "config": _CONFIG,
        "config-dir": _DROP_INS,
        "hostname-override": naming.node_name(settings, facts),
        "kubeconfig": _KUBECONFIG,
        "node-ip": naming.node_ip(settings, facts),
        "node-labels": ",".join(f"{name}={value}" for name, value in sorted(settings.kubernetes.node_labels.items())),
        "runtime-cgroups": "/runtime.slice/containerd.service",
        **providers.flags(settings, facts),
    }
    return [*(f"--{name}={value}" for name, value in sorted(ours.items()) if value), *flags.passed_on(settings)]


def _kubeconfig(kubernetes: Kubernetes, node_name: str) -> Mapping[str, Any]:
    """Return a kubeconfig whose names say which cluster and which node it is for."""
    user = f"system:node:{node_name}"
    context = f"{user}@{kubernetes.cluster_name}"
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "args": ["token", "--cluster", kubernetes.cluster_name],
        "command": "/usr/bin/node-agent",
        "interactiveMode": "Never",
    }
    cluster = {"certificate-authority": AUTHORITY, "server": kubernetes.api_server}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": kubernetes.cluster_name, "cluster": cluster}],
        "contexts": [{"name": context, "context": {"cluster": kubernetes.cluster_name, "user": user}}],
        "current-context": context,
        "users": [{"name": user, "user": {"exec": plugin}}],
    }


def _json(body: Mapping[str, Any]) -> bytes:
    return (json.dumps(body, indent=2, sort_keys=True) + "\n").encode()
