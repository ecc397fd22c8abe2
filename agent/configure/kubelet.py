"""kubelet's configuration, flags and kubeconfig, with the defaults of current EKS nodes."""

import json
from collections.abc import Mapping
from typing import Any

from agent.configure import naming
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
_DROP_INS_NOTE = """\
kubelet reads the *.conf files of this folder after ../config.json, in name order; a later one wins, lists are replaced.
"""
_EVICTION_HARD = {"memory.available": "100Mi", "nodefs.available": "10%", "nodefs.inodesFree": "5%"}
_CIPHERS = [
    f"TLS_ECDHE_{key}_WITH_{cipher}"
    for key in ("ECDSA", "RSA")
    for cipher in ("AES_128_GCM_SHA256", "AES_256_GCM_SHA384", "CHACHA20_POLY1305_SHA256")
]
# What must stay for pods, so that kubelet starts on the smallest instances too: it does not when more is reserved
# than there is.
_LEAST_ALLOCATABLE_MIB = 512


def files(settings: Settings, facts: Facts) -> list[FileSpec]:
    authority = "".join(certificate.pem for certificate in settings.kubernetes.cluster_certificate)
    return [
        FileSpec(_CONFIG, _json(_config(settings, facts)), 0o600),
        FileSpec(f"{_DROP_INS}/README", _DROP_INS_NOTE.encode()),
        FileSpec(_KUBECONFIG, _json(_kubeconfig(settings.kubernetes, facts.instance.instance_id)), 0o600),
        FileSpec(f"{FOLDER}/flags.env", f'KUBELET_FLAGS="{" ".join(_flags(settings, facts))}"\n'.encode()),
        FileSpec(AUTHORITY, authority.encode()),
    ]


def cpu_reserve(cpus: int) -> int:
    """Return millicores for kubelet and containerd: 6 % of the first core, less and less of the others."""
    shares = [60.0, 10.0, 5.0, 5.0, *[2.5] * max(0, cpus - 4)]
    return int(sum(shares[: max(1, cpus)]))


def memory_reserve(max_pods: int, memory_mib: int) -> int:
    """Return MiB for kubelet and containerd, as EKS counts them, but never so much that no pod would fit."""
    return max(0, min(11 * max_pods + 255, memory_mib - _LEAST_ALLOCATABLE_MIB))


def _config(settings: Settings, facts: Facts) -> Mapping[str, Any]:
    kubernetes = settings.kubernetes
    return {
        **_defaults(),
        **_chosen(kubernetes),
        "address": "::" if naming.is_ipv6(settings) else "0.0.0.0",  # noqa: S104 - kubelet's API is for the cluster
        "clusterDNS": naming.cluster_dns(settings, facts),
        "evictionHard": {**_EVICTION_HARD, **kubernetes.eviction_hard},
        "kubeReserved": {
            "cpu": f"{cpu_reserve(facts.cpus)}m",
            "ephemeral-storage": "1Gi",
            "memory": f"{memory_reserve(kubernetes.max_pods, facts.memory_mib)}Mi",
            **kubernetes.kube_reserved,
        },
        "logging": {"verbosity": kubernetes.log_level},
        "providerID": naming.provider_id(facts),
        "registerWithTaints": [
            {"effect": taint.effect, "key": name, "value": taint.value}
            for name, taints in sorted(kubernetes.node_taints.items())
            for taint in taints
        ],
    }


def _defaults() -> Mapping[str, Any]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
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
        "kubeReservedCgroup": "/runtime",
        "protectKernelDefaults": True,
        "readOnlyPort": 0,
        # Pods must not be sent to systemd-resolved's stub, which listens on the host's loopback only.
        "resolvConf": "/run/systemd/resolve/resolv.conf",
        "serializeImagePulls": False,
        "shutdownGracePeriod": "2m30s",
        "shutdownGracePeriodCriticalPods": "30s",
        "systemReservedCgroup": "/system",
        "tlsCipherSuites": _CIPHERS,
        # The usual folder is on the read-only root.
        "volumePluginDir": "/var/lib/kubelet/plugins/volume/exec",
    }


def _chosen(kubernetes: Kubernetes) -> dict[str, Any]:
    """Return the settings that KubeletConfiguration has under a name of its own, with nothing else to them."""
    chosen = {}
    for _, target, spec, _ in keys(Kubernetes):
        value = getattr(kubernetes, target)
        if isinstance(spec, Value | Entries) and spec.kubelet and value is not None and value != {}:
            chosen[spec.kubelet] = value
    return chosen


def _flags(settings: Settings, facts: Facts) -> list[str]:
    """Return flags in the order of their names; their values cannot hold a space or a quote, by the rules."""
    labels = ",".join(f"{name}={value}" for name, value in sorted(settings.kubernetes.node_labels.items()))
    flags = {
        "cloud-provider": "external",
        "config": _CONFIG,
        "config-dir": _DROP_INS,
        "hostname-override": facts.instance.instance_id,
        "kubeconfig": _KUBECONFIG,
        "node-ip": naming.node_ip(settings, facts),
        "node-labels": labels,
        "runtime-cgroups": "/runtime.slice/containerd.service",
    }
    return [f"--{name}={value}" for name, value in sorted(flags.items()) if value]


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
