"""What is kept from pods for kubelet, containerd and the host."""

from collections.abc import Mapping

from agent.configure.facts import Facts
from agent.configure.settings import Settings

# What must stay for pods, so that kubelet starts on the smallest instances too: it does not when more is reserved
# than there is.
_LEAST_ALLOCATABLE_MIB = 512


def kube_reserved(settings: Settings, facts: Facts) -> Mapping[str, str]:
    """Return kubelet's and containerd's share, from the final number of pods and the CPUs there are."""
    return {
        "cpu": f"{cpu_millicores(facts.cpus)}m",
        "ephemeral-storage": _storage(facts.storage_mib),
        "memory": f"{memory_mib(settings.kubernetes.max_pods, facts.memory_mib)}Mi",
        **settings.kubernetes.kube_reserved,
    }


def _storage(mib: int | None) -> str:
    """Return EKS' 1 GiB, but half of what there is at most: in memory /var may be smaller than that."""
    return "1Gi" if mib is None or mib >= 2048 else f"{mib // 2}Mi"


def cpu_millicores(cpus: int) -> int:
    """Return 6 % of the first core, less and less of the others."""
    shares = [60.0, 10.0, 5.0, 5.0, *[2.5] * max(0, cpus - 4)]
    return int(sum(shares[: max(1, cpus)]))


def memory_mib(pods: int, memory: int) -> int:
    """Return MiB as EKS counts them, but never so many that no pod would fit."""
    return max(0, min(11 * pods + 255, memory - _LEAST_ALLOCATABLE_MIB))
