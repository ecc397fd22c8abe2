"""The settings of a node: one table of every key that has an effect, and the reading of documents by it.

Names are those of Bottlerocket's TOML; the dataclasses are the table.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent.configure import certificates, rules, schema
from agent.configure.certificates import Certificate
from agent.configure.ignored import NOT_APPLIED
from agent.configure.schema import Entries, Named, Section, Value, key
from agent.configure.userdata import Document, merge
from agent.model import Verdict

_INT32 = (1 << 31) - 1
# A document of a megabyte may hold thousands of bad keys; nobody reads them all, and a status file has its limit.
_MOST_VERDICTS = 100


@dataclass(frozen=True, slots=True)
class Kubernetes:
    """[settings.kubernetes]."""

    api_server: str = key(Value(rules.api_server, "the https URL of the cluster's API server", required=True))
    cluster_certificate: tuple[Certificate, ...] = key(
        Value(certificates.read_some, "base64 of the cluster's CA certificate in PEM", required=True)
    )
    cluster_name: str = key(Value(rules.cluster_name, "the name of the EKS cluster", required=True))
    cluster_dns_ip: tuple[rules.Address, ...] = key(
        Value(rules.addresses, "the cluster's DNS service, which also tells its IP family"), ()
    )
    cluster_domain: str = key(Value(rules.domain, "the cluster's DNS domain", kubelet="clusterDomain"), "cluster.local")
    max_pods: int = key(Value(rules.integer(1, _INT32), "pods the node takes", kubelet="maxPods"), 110)
    node_labels: Mapping[str, str] = key(Entries(rules.label, "labels kubelet registers the node with"))
    node_taints: Mapping[str, tuple[rules.Taint, ...]] = key(
        Entries(rules.taints, "taints kubelet registers the node with")
    )
    log_level: int = key(Value(rules.integer(0, 10), "how much kubelet logs"), 2)
    server_tls_bootstrap: bool = key(
        Value(rules.boolean, "ask the cluster for kubelet's serving certificate", kubelet="serverTLSBootstrap"),
        default=True,
    )
    # EKS Auto Mode raised the rate of image pulls over kubelet's 5 and 10.
    registry_qps: int = key(Value(rules.integer(0, _INT32), "image pulls a second", kubelet="registryPullQPS"), 25)
    registry_burst: int = key(Value(rules.integer(0, _INT32), "image pulls at once", kubelet="registryBurst"), 50)
    event_qps: int | None = key(Value(rules.integer(0, _INT32), "Events a second", kubelet="eventRecordQPS"))
    event_burst: int | None = key(Value(rules.integer(0, _INT32), "Events at once", kubelet="eventBurst"))
    kube_api_qps: int | None = key(Value(rules.integer(1, _INT32), "API requests a second", kubelet="kubeAPIQPS"))
    kube_api_burst: int | None = key(Value(rules.integer(1, _INT32), "API requests at once", kubelet="kubeAPIBurst"))
    container_log_max_size: str | None = key(
        Value(rules.quantity, "size at which a container's log is rotated", kubelet="containerLogMaxSize")
    )
    container_log_max_files: int | None = key(
        Value(rules.integer(2, 1000), "files kept of a container's log", kubelet="containerLogMaxFiles")
    )
    cpu_cfs_quota_enforced: bool | None = key(
        Value(rules.boolean, "enforce the CPU limits of pods", kubelet="cpuCFSQuota")
    )
    pod_pids_limit: int | None = key(
        Value(rules.integer(1, 1 << 22), "processes a pod may have", kubelet="podPidsLimit")
    )
    seccomp_default: bool | None = key(
        Value(rules.boolean, "RuntimeDefault seccomp for pods that say nothing", kubelet="seccompDefault")
    )
    allowed_unsafe_sysctls: tuple[str, ...] | None = key(
        Value(rules.sysctls, "sysctls that pods may set", kubelet="allowedUnsafeSysctls")
    )
    eviction_hard: Mapping[str, str] = key(Entries(rules.eviction, "when pods are evicted at once"))
    kube_reserved: Mapping[str, str] = key(
        Entries(rules.reservation, "what kubelet and containerd keep for themselves")
    )
    system_reserved: Mapping[str, str] = key(
        Entries(rules.reservation, "what the host keeps for itself", kubelet="systemReserved")
    )


@dataclass(frozen=True, slots=True)
class Network:
    """[settings.network]."""

    hostname: str | None = key(Value(rules.host_name, "the host name; it is not the node name"))
    https_proxy: str = key(Value(rules.proxy, "proxy of containerd, kubelet and uploads", secret=True), "")
    no_proxy: tuple[str, ...] = key(Value(rules.no_proxy, "what is reached without the proxy"), ())


@dataclass(frozen=True, slots=True)
class Bundle:
    """[settings.pki.NAME]."""

    data: tuple[Certificate, ...] = key(
        Value(certificates.read, "base64 of the bundle in PEM; empty switches it off", secret=True), ()
    )
    trusted: bool = key(Value(rules.boolean, "trust the certificates; else distrust them"), default=False)


@dataclass(frozen=True, slots=True)
class Settings:
    """[settings]."""

    kubernetes: Kubernetes = key(Section(Kubernetes))  # noqa: RUF009 - a field
    network: Network = key(Section(Network))  # noqa: RUF009 - a field
    pki: Mapping[str, Bundle] = key(Named(Bundle, rules.identifier, "certificate bundles"))


@dataclass(frozen=True, slots=True)
class Checked:
    """What documents came to: the settings unless a verdict is an error, and what was accepted, as it was written."""

    settings: Settings | None
    accepted: Mapping[str, Any]
    verdicts: tuple[Verdict, ...]


def check(documents: Sequence[Document]) -> Checked:
    """Merge documents in their order, then validate what came of it."""
    problems = tuple(document.problem for document in documents if document.problem is not None)
    merged = merge(documents)
    reading = schema.read(Settings, merged.settings, merged.sources, NOT_APPLIED)
    if not problems:
        return Checked(reading.value, reading.accepted, _errors_first(reading.verdicts))
    # A key may be missing only because its document could not be read: one error is enough.
    others = tuple(verdict for verdict in reading.verdicts if not verdict.message.startswith("missing"))
    return Checked(None, reading.accepted, _errors_first(problems + others))


def _errors_first(verdicts: tuple[Verdict, ...]) -> tuple[Verdict, ...]:
    ordered = sorted(verdicts, key=lambda verdict: verdict.level != "error")
    left = len(ordered) - _MOST_VERDICTS
    if left <= 0:
        return tuple(ordered)
    return (*ordered[:_MOST_VERDICTS], Verdict("", "warning", f"and {left} more", "user data"))
