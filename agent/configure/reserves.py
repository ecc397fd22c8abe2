"""What is kept from pods for kubelet, containerd and the host.

kubelet does not start where it is more than there is (pkg/kubelet/cm/node_container_manager_linux.go of Kubernetes):
its own share, the host's, and what pods are evicted for.
"""

from collections.abc import Mapping
from fractions import Fraction

from agent.configure import instance_store
from agent.configure.facts import Facts
from agent.configure.kubernetes import Kubernetes
from agent.configure.kubernetes_rules import amount
from agent.configure.settings import Settings

_MIB = 1 << 20
# What must stay for pods, so that kubelet starts on the smallest instances too.
_LEAST_ALLOCATABLE_MIB = 512
_EVICTION_HARD = {"memory.available": "100Mi", "nodefs.available": "10%", "nodefs.inodesFree": "5%"}
SIGNALS: Mapping[str, str] = {"memory": "memory.available", "ephemeral-storage": "nodefs.available"}


def kube_reserved(settings: Settings, facts: Facts) -> Mapping[str, str]:
    """Return kubelet's and containerd's share, from the final number of pods and the CPUs there are."""
    kubernetes = settings.kubernetes
    left = facts.memory_mib - _mib(others(kubernetes, "memory", facts.memory_mib * _MIB))
    return {
        "cpu": f"{cpu_millicores(facts.cpus)}m",
        "ephemeral-storage": _storage(kubernetes, storage_mib(settings, facts)),
        "memory": f"{memory_mib(kubernetes.max_pods, left)}Mi",
        **kubernetes.kube_reserved,
    }


def eviction_hard(kubernetes: Kubernetes) -> Mapping[str, str]:
    return {**_EVICTION_HARD, **kubernetes.eviction_hard}


def others(kubernetes: Kubernetes, resource: str, capacity: Fraction | int) -> Fraction:
    """Return what else is kept of a resource: the host's share and what pods are evicted for."""
    threshold = eviction_hard(kubernetes).get(SIGNALS.get(resource, ""), "0")
    evicted = Fraction(threshold[:-1]) * capacity / 100 if threshold.endswith("%") else amount(threshold)
    return evicted + amount(kubernetes.system_reserved.get(resource, "0"))


def storage_mib(settings: Settings, facts: Facts) -> int | None:
    """Return what kubelet takes for the node's storage; the disks of the instance store are looked at after this."""
    return None if instance_store.moves_kubelet(settings) else facts.storage_mib


def _storage(kubernetes: Kubernetes, mib: int | None) -> str:
    """Return EKS' 1 GiB, but half of what there is known to be: in memory /var may be smaller than that."""
    if mib is None:
        return "1Gi"
    left = mib - _mib(others(kubernetes, "ephemeral-storage", mib * _MIB))
    found = max(0, min(1024, mib // 2, left))
    return "1Gi" if found == 1024 else f"{found}Mi"


def cpu_millicores(cpus: int) -> int:
    """Return 6 % of the first core, less and less of the others."""
    shares = [60.0, 10.0, 5.0, 5.0, *[2.5] * max(0, cpus - 4)]
    return int(sum(shares[: max(1, cpus)]))


def memory_mib(pods: int, left: int) -> int:
    """Return MiB as EKS counts them, but never so many of those that are left that no pod would fit."""
    return max(0, min(11 * pods + 255, left - _LEAST_ALLOCATABLE_MIB))


def _mib(found: Fraction) -> int:
    return -(-found // _MIB)
