"""The catalogue: one line an output, under the path names that operators' scripts know from the peer."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from agent.diagnostics.api import CATEGORIES
from agent.diagnostics.digests import block_io_delays, joined, throttled_cgroups
from agent.outputs import Commands, Digest, EachMount, File, Keep, Metadata, Output, Source, Tree

_LOG_FILES = ("syslog", "messages", "cron", "cloud-init.log", "cloud-init-output.log", "kube-proxy.log")
_PODS = ("aws-node", "cni-metrics-helper", "coredns", "kube-proxy", "eks-pod-identity-agent")
_CSI_PODS = ("ebs", "efs", "fsx", "fsx-openzfs", "file-cache")
_UNITS = (
    *("eks-healthchecker", "kube-proxy", "coredns-bootstrap", "coredns", "eks-ebs-csi-driver"),
    *("eks-node-monitoring-agent", "eks-pod-identity-agent"),
)


@dataclass(frozen=True, slots=True)
class _Category:
    """Makes outputs of one category."""

    name: str

    def run(self, path: str, *commands: str, accepts: Iterable[int] = (0,)) -> Output:
        """Take what commands print; their words hold no spaces, and no shell sees them."""
        argvs = tuple(tuple(command.split()) for command in commands)
        return Output(self.name, path, Commands(argvs, accepts=frozenset(accepts)))

    def journal(self, path: str, unit: str, *more: str) -> Output:
        """Take the journal of a unit or a pattern of units; the newest lines stay."""
        argv = ("journalctl", "--quiet", "--no-pager", "--output=short-iso-precise", f"--unit={unit}", *more)
        return Output(self.name, path, Commands((argv,)), Keep.TAIL)

    def log(self, path: str, *files: str) -> Output:
        """Take a log file; its newest lines stay."""
        return Output(self.name, path, File(files), Keep.TAIL)

    def take(self, path: str, source: Source) -> Output:
        return Output(self.name, path, source)


_BASE = _Category("Base")
_DEVICE = _Category("Device")
_RUNTIME = _Category("Runtime")
_SYSTEM = _Category("System")


def _pods(category: _Category, prefix: str) -> Output:
    return category.take("var_log/", Tree(f"/var/log/pods/kube-system_{prefix}*"))


OUTPUTS: tuple[Output, ...] = (
    _BASE.take("doctor.json", File(("/run/node-agent/doctor.json",))),
    _BASE.take("node-agent/status/", Tree("/run/node-agent")),
    _BASE.journal("node-agent/journal.txt", "node-agent-*"),
    _BASE.take("system/os-release", File(("/etc/os-release", "/usr/lib/os-release"))),
    _BASE.take("system/cmdline", File(("/proc/cmdline",))),
    *(_BASE.log(f"var_log/{name}", f"/var/log/{name}") for name in _LOG_FILES),
    _BASE.take("var_log/aws-routed-eni/", Tree("/var/log/aws-routed-eni")),
    *(_pods(_BASE, name) for name in _PODS),
    *(_pods(_BASE, f"{name}-csi-") for name in _CSI_PODS),
    _BASE.take("system/instance-id.txt", Metadata("meta-data/instance-id")),
    _BASE.take("system/region.txt", Metadata("meta-data/placement/region")),
    _BASE.take("system/availability-zone.txt", Metadata("meta-data/placement/availability-zone")),
    *(_pods(_DEVICE, f"{name}-csi-") for name in _CSI_PODS),
    _RUNTIME.journal("containerd/containerd-log.txt", "containerd"),
    _RUNTIME.journal("kubelet/kubelet.log", "kubelet", "--since=10 days ago"),
    _RUNTIME.run("kubelet/kubelet_service.txt", "systemctl cat --no-pager kubelet"),
    _RUNTIME.take("kubelet/config.json", File(("/etc/kubernetes/kubelet/config.json",))),
    _RUNTIME.take("kubelet/config.json.d/", Tree("/etc/kubernetes/kubelet/config.json.d")),
    _RUNTIME.take("kubelet/kubeconfig.yaml", File(("/etc/kubernetes/kubelet/kubeconfig",))),
    _pods(_SYSTEM, "eks-pod-identity-agent"),
    _SYSTEM.run("storage/mounts.txt", "mount", "df --human-readable", accepts=(0, 1)),
    _SYSTEM.run("storage/inodes.txt", "df --inodes", accepts=(0, 1)),
    _SYSTEM.run("storage/lsblk.txt", "lsblk"),
    _SYSTEM.take("storage/xfs.txt", EachMount("xfs", (("xfs_info",), ("xfs_db", "-r", "-c", "freesp -s")))),
    _SYSTEM.take(
        "storage/pod_local_storage.txt",
        # What a container removes meanwhile makes du exit with 1.
        EachMount("overlay", (("du", "-sh", "--"),), option="upperdir", accepts=frozenset({0, 1})),
    ),
    _SYSTEM.log("kernel/dmesg.boot", "/var/log/dmesg"),
    _SYSTEM.run("kernel/dmesg.current", "dmesg"),
    _SYSTEM.run("kernel/dmesg.human.current", "dmesg --ctime"),
    _SYSTEM.run("kernel/uname.txt", "uname -a"),
    _SYSTEM.run("modinfo/lustre", "modinfo lustre", accepts=(0, 1)),
    *(_SYSTEM.journal(f"automode/{unit}.txt", unit) for unit in _UNITS),
    _SYSTEM.run("system/top.txt", "top -b -n 1 -w 512"),
    _SYSTEM.run("system/services.txt", "systemctl list-units --no-pager"),
    # Exits with 1 while the boot has not ended, and says so.
    _SYSTEM.run("system/systemd-analyze.svg", "systemd-analyze plot", accepts=(0, 1)),
    _SYSTEM.run("system/ps.txt", "ps fauxwww --headers"),
    _SYSTEM.run("system/ps-threads.txt", "ps -eTF --headers"),
    _SYSTEM.take("system/procstat.txt", File(("/proc/stat",))),
    _SYSTEM.take("system/allprocstat.txt", Digest("/proc/[0-9]*/stat", joined)),
    # Keys that may not be read make it exit with 1 or 255; all others are printed.
    _SYSTEM.run("sysctls/sysctl_all.txt", "sysctl --all", accepts=(0, 1, 255)),
    _SYSTEM.take(
        "bottlerocket/application-inventory.json",
        File(
            (
                "/usr/share/bottlerocket/application-inventory.json",
                "/usr/share/node-agent/application-inventory.json",
            )
        ),
    ),
    _SYSTEM.take("system/io_throttling.txt", Digest("/proc/[0-9]*/stat", block_io_delays)),
    _SYSTEM.take("system/cpu_throttling.txt", Digest("/sys/fs/cgroup/**/cpu.stat", throttled_cgroups)),
    *(
        _SYSTEM.take(f"system/pressure_{what}.txt", File((f"/proc/pressure/{what}",)))
        for what in ("cpu", "memory", "io")
    ),
)


def select(categories: Iterable[str]) -> list[Output]:
    """Return the outputs of the categories in their fixed order, each once."""
    wanted = frozenset(categories)
    chosen: dict[tuple[str, str], Output] = {}
    for output in OUTPUTS:
        if output.category in wanted:
            chosen.setdefault((output.path, str(output.source)), output)
    return list(chosen.values())


def as_text() -> str:
    """Return the catalogue for people."""
    width = max(len(output.path) for output in OUTPUTS)
    blocks = []
    for category in CATEGORIES:
        rows = [f"  {output.path:<{width}}  {output.source}" for output in OUTPUTS if output.category == category]
        if rows:
            blocks.append("\n".join([category, *rows]))
    return "\n\n".join(blocks) + "\n"


def as_json() -> str:
    """Return the catalogue for programs."""
    rows = [
        {
            "category": output.category,
            "path": output.path,
            "source": str(output.source),
            "keep": str(output.keep),
            "limit": output.limit,
        }
        for output in OUTPUTS
    ]
    return json.dumps({"schemaVersion": 1, "outputs": rows}, indent=2) + "\n"
