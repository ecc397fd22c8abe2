"""[settings.kubernetes]: the keys of Bottlerocket's TOML, their rules and defaults, and what becomes of each."""

from collections.abc import Mapping
from dataclasses import dataclass

from agent.configure import certificates, rules, url_rules
from agent.configure import kubernetes_rules as k8s
from agent.configure.certificates import Certificate
from agent.configure.rules import INT32, Address, Network, boolean, choice, duration, integer
from agent.configure.schema import Entries, Named, Section, Value, key

_COUNT = integer(0, INT32)
_POSITIVE = integer(1, INT32)
_CONTAINERD = "/etc/containerd/config.toml"
_PROVIDERS = "/etc/eks/image-credential-provider/config.json"
_STATIC_PODS = "/etc/kubernetes/static-pods"


@dataclass(frozen=True, slots=True)
class StaticPod:
    """[settings.kubernetes.static-pods.NAME]."""

    enabled: bool = key(Value(boolean, "run the pod", _STATIC_PODS), default=False)
    manifest: bytes = key(Value(rules.base64_bytes, "base64 of the pod's manifest", _STATIC_PODS, secret=True), b"")


@dataclass(frozen=True, slots=True)
class CredentialProvider:
    """[settings.kubernetes.credential-providers.NAME]."""

    enabled: bool = key(Value(boolean, "let kubelet ask it", _PROVIDERS), default=False)
    image_patterns: tuple[str, ...] = key(
        Value(rules.list_of(rules.text), "the images it knows credentials for", _PROVIDERS), ()
    )
    cache_duration: str | None = key(Value(duration, "how long an answer is good", _PROVIDERS))
    environment: Mapping[str, str] = key(Entries(rules.variable, "variables for it", _PROVIDERS, secret=True))


@dataclass(frozen=True, slots=True)
class Kubernetes:
    """[settings.kubernetes]."""

    api_server: str = key(
        Value(url_rules.api_server, "the https URL of the cluster's API server", "kubeconfig", required=True)
    )
    cluster_certificate: tuple[Certificate, ...] = key(
        Value(
            certificates.read_some,
            "base64 of the cluster's CA certificate in PEM",
            "/etc/kubernetes/pki/ca.crt",
            required=True,
        )
    )
    cluster_name: str = key(Value(k8s.cluster_name, "the name of the EKS cluster", "kubeconfig", required=True))
    service_cidr: Network | None = key(
        Value(rules.service_network, "the cluster's services; its tenth address is their DNS", "`clusterDNS`, NO_PROXY")
    )
    cluster_dns_ip: tuple[Address, ...] = key(
        Value(rules.addresses, "the cluster's DNS service, which also tells its IP family", "`clusterDNS`"), ()
    )
    cluster_domain: str = key(Value(rules.domain, "the cluster's DNS domain", kubelet="clusterDomain"), "cluster.local")
    node_ip: Address | None = key(Value(rules.address, "the node's address", "`--node-ip`"))
    hostname_override: str | None = key(Value(k8s.node_name, "the node's name", "`--hostname-override`"))
    hostname_override_source: str = key(
        Value(choice("instance-id", "private-dns-name"), "what names the node", "`--hostname-override`"), "instance-id"
    )
    provider_id: str | None = key(Value(k8s.provider_id, "the instance's ID to the cluster", "`providerID`"))
    max_pods: int = key(Value(_POSITIVE, "pods the node takes", kubelet="maxPods"), 110)
    node_labels: Mapping[str, str] = key(
        Entries(k8s.label, "labels kubelet registers the node with", "`--node-labels`")
    )
    node_taints: Mapping[str, tuple[k8s.Taint, ...]] = key(
        Entries(k8s.taints, "taints kubelet registers the node with", "`registerWithTaints`")
    )
    log_level: int = key(Value(integer(0, 10), "how much kubelet logs", "`logging.verbosity`"), 2)
    authentication_mode: str = key(Value(choice("aws", "tls"), "how kubelet proves who it is", fixed="aws"), "aws")
    cloud_provider: str = key(
        Value(choice("external", "aws", ""), "who initialises the Node object", fixed="external"), "external"
    )
    standalone_mode: bool = key(Value(boolean, "run without a cluster", fixed=False), default=False)
    bootstrap_token: str | None = key(Value(k8s.bootstrap_token, "the token of TLS bootstrapping", secret=True))
    server_tls_bootstrap: bool = key(
        Value(boolean, "ask the cluster for kubelet's serving certificate", kubelet="serverTLSBootstrap"),
        default=True,
    )
    server_certificate: bytes | None = key(
        Value(rules.base64_bytes, "base64 of kubelet's serving certificate", secret=True)
    )
    server_key: bytes | None = key(Value(rules.base64_bytes, "base64 of its key", secret=True))
    # EKS Auto Mode raised the rate of image pulls over kubelet's 5 and 10.
    registry_qps: int = key(Value(_COUNT, "image pulls a second, 0 for any number", kubelet="registryPullQPS"), 25)
    registry_burst: int = key(Value(_COUNT, "image pulls at once", kubelet="registryBurst"), 50)
    max_parallel_image_pulls: int | None = key(
        Value(_POSITIVE, "image pulls in flight", kubelet="maxParallelImagePulls")
    )
    event_qps: int | None = key(Value(_COUNT, "Events a second", kubelet="eventRecordQPS"))
    event_burst: int | None = key(Value(_COUNT, "Events at once", kubelet="eventBurst"))
    kube_api_qps: int | None = key(Value(_POSITIVE, "API requests a second", kubelet="kubeAPIQPS"))
    kube_api_burst: int | None = key(Value(_POSITIVE, "API requests at once", kubelet="kubeAPIBurst"))
    container_log_max_size: str | None = key(
        Value(k8s.size, "size at which a container's log is rotated", kubelet="containerLogMaxSize")
    )
    container_log_max_files: int | None = key(
        Value(integer(2, 1000), "files kept of a container's log", kubelet="containerLogMaxFiles")
    )
    container_log_max_workers: int | None = key(
        Value(_POSITIVE, "logs that are rotated at once", kubelet="containerLogMaxWorkers")
    )
    container_log_monitor_interval: str | None = key(
        Value(duration, "how often logs are looked at", kubelet="containerLogMonitorInterval")
    )
    cpu_cfs_quota_enforced: bool | None = key(Value(boolean, "enforce the CPU limits of pods", kubelet="cpuCFSQuota"))
    cpu_manager_policy: str | None = key(
        Value(choice("none", "static"), "whether pods may own CPUs", kubelet="cpuManagerPolicy")
    )
    cpu_manager_policy_options: Mapping[str, str] | None = key(
        Value(k8s.cpu_options, "how CPUs are given out", kubelet="cpuManagerPolicyOptions")
    )
    cpu_manager_reconcile_period: str | None = key(
        Value(duration, "how often CPUs are given out anew", kubelet="cpuManagerReconcilePeriod")
    )
    memory_manager_policy: str | None = key(
        Value(choice("None", "Static"), "whether pods may own memory", kubelet="memoryManagerPolicy")
    )
    memory_manager_reserved_memory: Mapping[str, Mapping[str, str]] = key(
        Entries(k8s.numa_reservation, "memory of each NUMA node that pods cannot own", "`reservedMemory`")
    )
    topology_manager_scope: str | None = key(
        Value(choice("container", "pod"), "what is aligned to NUMA nodes", kubelet="topologyManagerScope")
    )
    topology_manager_policy: str | None = key(
        Value(
            choice("none", "restricted", "best-effort", "single-numa-node"),
            "how strictly it is",
            kubelet="topologyManagerPolicy",
        )
    )
    topology_manager_policy_options: Mapping[str, str] = key(
        Entries(k8s.topology_option, "options of that", kubelet="topologyManagerPolicyOptions")
    )
    image_gc_high_threshold_percent: int | None = key(
        Value(rules.percent, "disk use at which images are removed", kubelet="imageGCHighThresholdPercent")
    )
    image_gc_low_threshold_percent: int | None = key(
        Value(rules.percent, "disk use down to which they are", kubelet="imageGCLowThresholdPercent")
    )
    image_minimum_gc_age: str | None = key(
        Value(duration, "age before which no image is removed", kubelet="imageMinimumGCAge")
    )
    image_maximum_gc_age: str | None = key(
        Value(duration, "age at which an unused image is removed", kubelet="imageMaximumGCAge")
    )
    pod_pids_limit: int | None = key(Value(integer(1, 1 << 22), "processes a pod may have", kubelet="podPidsLimit"))
    ids_per_pod: int | None = key(Value(k8s.ids_per_pod, "user IDs a pod gets", "`userNamespaces.idsPerPod`"))
    seccomp_default: bool | None = key(
        Value(boolean, "RuntimeDefault seccomp for pods that say nothing", kubelet="seccompDefault")
    )
    allowed_unsafe_sysctls: tuple[str, ...] | None = key(
        Value(k8s.sysctls, "sysctls that pods may set", kubelet="allowedUnsafeSysctls")
    )
    single_process_oom_kill: bool | None = key(
        Value(boolean, "kill a process, not its whole container, for want of memory", kubelet="singleProcessOOMKill")
    )
    device_ownership_from_security_context: bool | None = key(
        Value(boolean, "devices belong to the pod's user", _CONTAINERD)
    )
    memory_swap_behavior: str | None = key(
        Value(choice("LimitedSwap", "NoSwap"), "whether pods may swap", "`memorySwap.swapBehavior`")
    )
    memory_reservation_policy: str | None = key(
        Value(choice("None", "HardReservation", "TieredReservation"), "how memory requests bind the kernel")
    )
    memory_throttling_factor: float | None = key(
        Value(k8s.throttling_factor, "share of its limit at which a pod is slowed down")
    )
    shutdown_grace_period: str = key(
        Value(duration, "time for pods when the node shuts down", kubelet="shutdownGracePeriod"), "2m30s"
    )
    shutdown_grace_period_for_critical_pods: str = key(
        Value(duration, "the part of it for critical pods", kubelet="shutdownGracePeriodCriticalPods"), "30s"
    )
    eviction_hard: Mapping[str, str] = key(Entries(k8s.eviction, "when pods are evicted at once", "`evictionHard`"))
    eviction_soft: Mapping[str, str] = key(
        Entries(k8s.eviction, "when pods are evicted in time", kubelet="evictionSoft")
    )
    eviction_soft_grace_period: Mapping[str, str] = key(
        Entries(k8s.grace_period, "the time they get", kubelet="evictionSoftGracePeriod")
    )
    eviction_max_pod_grace_period: int | None = key(
        Value(_COUNT, "seconds a pod gets at most", kubelet="evictionMaxPodGracePeriod")
    )
    kube_reserved: Mapping[str, str] = key(
        Entries(k8s.reservation, "what kubelet and containerd keep for themselves", "`kubeReserved`")
    )
    system_reserved: Mapping[str, str] = key(
        Entries(k8s.reservation, "what the host keeps for itself", kubelet="systemReserved")
    )
    reserved_cpus: str | None = key(Value(k8s.cpuset, "CPUs that pods never get", kubelet="reservedSystemCPUs"))
    credential_providers: Mapping[str, CredentialProvider] = key(
        Named(Section(CredentialProvider), rules.identifier, "programs that kubelet asks for registry credentials")
    )
    static_pods_enabled: bool = key(Value(boolean, "run static pods", _STATIC_PODS), default=True)
    static_pods: Mapping[str, StaticPod] = key(
        Named(Section(StaticPod), rules.identifier, "pods without an API server")
    )
    fail_cgroup_v1: bool | None = key(Value(boolean, "refuse control groups v1", kubelet="failCgroupV1"))
    container_runtime_endpoint: str | None = key(Value(rules.text, "where containerd listens; the image says it"))
    pod_infra_container_image: str | None = key(Value(rules.text, "the sandbox's image; the image brings it"))
