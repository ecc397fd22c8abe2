"""The flags that a user gives kubelet, as far as they are no settings: which of them kubelet may see.

They are those of kubelet 1.36 by the types of their values. It exits on any other one, and on a value of another type.
"""

import re
from collections.abc import Callable, Iterator, Mapping

from agent.configure.field_types import is_duration
from agent.configure.rules import INT32
from agent.configure.schema import dotted
from agent.configure.settings import Settings
from agent.model import Verdict

_BOOLEAN = re.compile(r"(1|t|T|TRUE|true|True|0|f|F|FALSE|false|False)?")
_INTEGER = re.compile(r"[-+]?[0-9]{1,10}")


def _is_integer(value: str) -> bool:
    return _INTEGER.fullmatch(value) is not None and abs(int(value)) <= INT32


_TYPES: tuple[tuple[str, Callable[[str], bool], str], ...] = (
    ("true or false", lambda value: _BOOLEAN.fullmatch(value) is not None, """
        anonymous-auth authentication-token-webhook cgroups-per-qos contention-profiling cpu-cfs-quota
        enable-controller-attach-detach enable-debugging-handlers enable-load-reader enable-server
        exit-on-lock-contention experimental-allocatable-ignore-eviction fail-cgroupv1 fail-swap-on
        kernel-memcg-notification local-storage-capacity-isolation log-cadvisor-usage log-json-split-stream
        log-text-split-stream make-iptables-util-chains protect-kernel-defaults register-node rotate-certificates
        rotate-server-certificates seccomp-default serialize-image-pulls storage-driver-secure
        """),
    ("an integer", _is_integer, """
        application-metrics-count-limit container-log-max-files event-burst event-qps eviction-max-pod-grace-period
        healthz-port image-gc-high-threshold image-gc-low-threshold kube-api-burst kube-api-qps max-open-files
        max-pods maximum-dead-containers maximum-dead-containers-per-container node-status-max-images oom-score-adj
        pod-max-pids pods-per-core port read-only-port registry-burst registry-qps v
        """),
    ("a duration such as 1m30s", is_duration, """
        authentication-token-webhook-cache-ttl authorization-webhook-cache-authorized-ttl
        authorization-webhook-cache-unauthorized-ttl cpu-cfs-quota-period cpu-manager-reconcile-period
        eviction-pressure-transition-period file-check-frequency global-housekeeping-interval housekeeping-interval
        http-check-frequency log-flush-frequency minimum-container-ttl-duration minimum-image-ttl-duration
        node-status-update-frequency runtime-request-timeout storage-driver-buffer-duration
        streaming-connection-idle-timeout sync-frequency volume-stats-agg-period
        """),
    ("text", lambda _value: True, """
        address allowed-unsafe-sysctls authorization-mode boot-id-file bootstrap-kubeconfig cert-dir cgroup-driver
        cgroup-root client-ca-file cloud-provider cluster-dns cluster-domain config config-dir container-hints
        container-log-max-size container-runtime-endpoint containerd containerd-namespace cpu-manager-policy
        cpu-manager-policy-options enforce-node-allocatable event-storage-age-limit event-storage-event-limit
        eviction-hard eviction-minimum-reclaim eviction-soft eviction-soft-grace-period experimental-mounter-path
        feature-gates hairpin-mode healthz-bind-address hostname-override image-credential-provider-bin-dir
        image-credential-provider-config image-service-endpoint kube-api-content-type kube-reserved
        kube-reserved-cgroup kubeconfig kubelet-cgroups lock-file log-json-info-buffer-size
        log-text-info-buffer-size logging-format machine-id-file manifest-url manifest-url-header
        memory-manager-policy node-ip node-labels pod-cidr pod-manifest-path provider-id qos-reserved
        register-with-taints reserved-cpus reserved-memory resolv-conf root-dir runtime-cgroups storage-driver-db
        storage-driver-host storage-driver-password storage-driver-table storage-driver-user system-cgroups
        system-reserved system-reserved-cgroup tls-cert-file tls-cipher-suites tls-min-version tls-private-key-file
        topology-manager-policy topology-manager-policy-options topology-manager-scope vmodule volume-plugin-dir
        """),
)  # fmt: skip
FLAGS: Mapping[str, tuple[str, Callable[[str], bool]]] = {
    name: (says, takes) for says, takes, names in _TYPES for name in names.split()
}
# kubelet has them too, and does nothing else than print something, or exit.
ENDING = frozenset({"help", "runonce", "version"})


def passed_on(settings: Settings) -> list[str]:
    """Return the flags that kubelet gets as they are."""
    return [flag for flag in settings.kubelet.flags if not _refused(flag)]


def name(flag: str) -> str:
    return flag.lstrip("-").partition("=")[0]


def remarks(settings: Settings) -> Iterator[Verdict]:
    for flag in settings.kubelet.flags:
        reason = _refused(flag)
        if reason:
            message = f"--{name(flag)} is left out: {reason}, and would not start"
            yield Verdict(dotted(("kubelet", "flags")), "warning", message, "user data")


def _refused(flag: str) -> str:
    """Return what keeps kubelet from starting with a flag, or nothing."""
    if name(flag) in ENDING:
        return "kubelet does nothing else with it"
    if name(flag) not in FLAGS:
        return "kubelet 1.36 does not have it"
    says, takes = FLAGS[name(flag)]
    _, equals, value = flag.partition("=")
    return "" if takes(value) and (equals or says == _TYPES[0][0]) else f"kubelet takes {says} for it"
