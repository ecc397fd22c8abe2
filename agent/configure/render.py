"""Everything that configure renders: settings and facts in, files and kernel settings out."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from agent.configure import containerd, kubelet, naming, proxy, trust
from agent.configure.facts import Facts
from agent.configure.schema import dotted
from agent.configure.settings import Settings
from agent.model import FileSpec, Verdict

# kubelet with protectKernelDefaults does not start where these differ (k8s.io/kubernetes pkg/util/sysctl).
_SYSCTLS = {
    "kernel.keys.root_maxbytes": "25000000",
    "kernel.keys.root_maxkeys": "1000000",
    "kernel.panic": "10",
    "kernel.panic_on_oops": "1",
    "vm.overcommit_memory": "1",
    "vm.panic_on_oom": "0",
}
_SYSCTL_FILE = "/etc/sysctl.d/90-node-agent.conf"
_HOST_NAME_FILE = "/etc/hostname"
# Programs read these once, at their start.
_CONTAINERD_READS = frozenset({containerd.PATH, proxy.PATH, trust.STORE})


@dataclass(frozen=True, slots=True)
class Rendered:
    """The files as they should be, by path, and the sysctls as the kernel should have them."""

    files: tuple[FileSpec, ...]
    sysctls: dict[str, str]


def render(settings: Settings, facts: Facts) -> Rendered:
    host_name = naming.host_name(settings, facts)
    sysctls = "".join(f"{key} = {value}\n" for key, value in _SYSCTLS.items())
    files = [
        *kubelet.files(settings, facts),
        *containerd.files(),
        *proxy.files(settings, facts),
        *trust.files(settings, facts.public_bundle),
        FileSpec(_HOST_NAME_FILE, f"{host_name}\n".encode()),
        FileSpec(_SYSCTL_FILE, sysctls.encode()),
    ]
    return Rendered(tuple(sorted(files, key=lambda spec: spec.path)), {**_SYSCTLS, "kernel.hostname": host_name})


def remarks(settings: Settings, facts: Facts, now: datetime) -> Iterator[Verdict]:
    """Say what was assumed, and what is odd though accepted."""
    if not settings.kubernetes.cluster_dns_ip:
        assumed = naming.cluster_dns(settings, facts)[0]
        message = f"missing: {assumed} is assumed, as EKS does by the VPC's network; set it if services are elsewhere"
        yield Verdict(dotted(("kubernetes", "cluster-dns-ip")), "warning", message, "instance metadata")
    yield from trust.remarks(settings, facts.public_bundle, now)


def restarts(changed: frozenset[str]) -> tuple[str, ...]:
    """Return the units that must start anew, where they run, for the changed files to count."""
    if changed & _CONTAINERD_READS:
        return ("containerd.service", "kubelet.service")
    return ("kubelet.service",) if any(path.startswith("/etc/kubernetes/") for path in changed) else ()
