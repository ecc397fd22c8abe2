"""The catalogue: one line an output, under the path names that operators' scripts know from the peer."""

from collections.abc import Iterable

from agent.diagnostics import digests, ebpf, ebs, items
from agent.diagnostics.category import Category
from agent.outputs import (
    Authorities,
    File,
    Loopback,
    Matching,
    Metadata,
    Nvme,
    Output,
    Withheld,
)

_LOG_FILES = ("syslog", "messages", "cron", "cloud-init.log", "cloud-init-output.log", "kube-proxy.log")
_CSI_PODS = ("ebs-csi-", "efs-csi-", "fsx-csi-", "fsx-openzfs-csi-", "file-cache-csi-")
_NETWORK_PODS = ("aws-node", "cni-metrics-helper", "coredns", "kube-proxy")
# Units of the peer's node image that are no pods there; ipamd and the network policy agent are missing in the peer's.
_UNITS = (
    *("eks-healthchecker", "kube-proxy", "coredns-bootstrap", "coredns", "eks-ebs-csi-driver"),
    *("eks-node-monitoring-agent", "eks-pod-identity-agent", "ipamd", "aws-network-policy-agent"),
)
_IPAMD = ("enis", "pods", "networkutils-env-settings", "ipamd-env-settings", "eni-configs")
_TABLES = ("mangle", "filter", "nat")
_CONTAINERD = ("images", "containers", "tasks", "plugins")
# Another process' file, which needs root: the collector's own mounts would be shown as its sandbox has them.
_MOUNTINFO = File(("/proc/1/mountinfo", "/proc/self/mountinfo"))
_LOGDOG = "logdog's archive in the archive, whose secrets could not be cut: this bundle has what is in it"
_NO_CREDENTIALS = "credentials and user data are never read, other secrets are cut"
_CERTIFICATES = "names, fingerprints and dates alone are read"
# Lines of a whole journal: some 100 MB.
_JOURNAL_LINES = "--lines=500000"


_BASE = Category("Base")
_DEVICE = Category("Device")
_NETWORKING = Category("Networking")
_RUNTIME = Category("Runtime")
_SYSTEM = Category("System")

OUTPUTS: tuple[Output, ...] = (
    _BASE.file("doctor.json", "/run/node-agent/doctor.json"),
    _BASE.tree("node-agent/status/", "/run/node-agent"),
    # Where no such unit has ever run, journalctl exits with 1.
    _BASE.journal("node-agent/journal.txt", "--unit=node-agent-*", accepts=(0, 1)),
    _BASE.tree("node-agent/etc/", "/etc/node-agent"),
    _BASE.file("node-agent/settings.json", "/etc/node-agent/settings.json"),
    _BASE.file("system/os-release", "/etc/os-release", "/usr/lib/os-release"),
    _BASE.file("system/cmdline", "/proc/cmdline"),
    *(_BASE.log(f"var_log/{name}", f"/var/log/{name}") for name in _LOG_FILES),
    _BASE.tree("var_log/aws-routed-eni/", "/var/log/aws-routed-eni"),
    *_BASE.pods(*_NETWORK_PODS, *_CSI_PODS, "eks-pod-identity-agent"),
    _BASE.take("system/instance-id.txt", Metadata("meta-data/instance-id")),
    _BASE.take("system/region.txt", Metadata("meta-data/placement/region")),
    _BASE.take("system/availability-zone.txt", Metadata("meta-data/placement/availability-zone")),
    _BASE.take("system/imds-tree.json", Metadata("/"), redaction=_NO_CREDENTIALS),
    # Without a persistent journal journalctl has no earlier boot to show, and exits with 1.
    _BASE.journal(
        "system/journal-previous-boot.txt",
        *("--boot=-1", _JOURNAL_LINES),
        accepts=(0, 1),
        when="the journal is kept on disk and has an earlier boot",
    ),
    *_DEVICE.pods(*_CSI_PODS),
    _DEVICE.take("device/nvme.json", Nvme(ebs.render)),
    _DEVICE.run("device/nvidia-smi.txt", "nvidia-smi --query"),
    _DEVICE.run("device/neuron-ls.txt", "neuron-ls --json-output"),
    _DEVICE.file("device/pci-devices.txt", "/proc/bus/pci/devices"),
    _NETWORKING.tree("cni/", "/etc/cni/net.d"),
    _NETWORKING.each(
        "cni/cni-configuration-variables-containerd.json",
        "ctr --namespace k8s.io container list",
        items.cni_container,
        "ctr --namespace k8s.io container info {the first of amazon-k8s-cni}",
        when="the VPC CNI runs as a pod",
    ),
    *_NETWORKING.pods(*_NETWORK_PODS),
    *(_NETWORKING.take(f"ipamd/{name}.json", Loopback(61679, f"/v1/{name}")) for name in _IPAMD),
    _NETWORKING.take("ipamd/metrics.json", Loopback(61678, "/metrics")),
    _NETWORKING.file("ipamd/ipam.json", "/run/aws-node/ipam.json", "/var/run/aws-node/ipam.json"),
    _NETWORKING.file("networking/enis.json", "/run/node-agent/enis.json"),
    *(
        _NETWORKING.rules(
            f"networking/{tool}-{table}.txt", f"{tool} --wait 1 --numeric --verbose --list --table {table}"
        )
        for tool in ("iptables", "ip6tables")
        for table in _TABLES
    ),
    _NETWORKING.rules("networking/iptables.txt", "iptables --wait 1 --numeric --verbose --list"),
    _NETWORKING.rules("networking/ip6tables.txt", "ip6tables --wait 1 --numeric --verbose --list"),
    _NETWORKING.run("networking/iptables-save.txt", "iptables-save"),
    _NETWORKING.run("networking/ip6tables-save.txt", "ip6tables-save"),
    _NETWORKING.each("networking/nftables-*.txt", "nft list tables", items.nft_tables, "nft list table {each}"),
    _NETWORKING.journal("networking/configure-multicard-interfaces.txt", "--unit=configure-multicard-interfaces"),
    # Where systemd-resolved runs, the former is a link, and links are not followed.
    _NETWORKING.file("networking/resolv.conf", "/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"),
    _NETWORKING.run("networking/resolvectl.txt", "resolvectl status"),
    _NETWORKING.run("networking/conntrack.txt", "conntrack -S", "conntrack -L"),
    _NETWORKING.run("networking/conntrack6.txt", "conntrack -L -f ipv6"),
    _NETWORKING.each("networking/ethtool.txt", File(("/proc/net/dev",)), items.ethtool, "ethtool -S {each interface}"),
    _NETWORKING.run("networking/links.txt", "ip -details -statistics link show", "ip address show"),
    _NETWORKING.run("networking/neighbours.txt", "ip neighbour show", "ip -6 neighbour show"),
    _NETWORKING.run("networking/sockets.txt", "ss --all --numeric --processes --tcp --udp", "ss --summary"),
    _NETWORKING.run("networking/iprule.txt", "ip rule show"),
    _NETWORKING.run("networking/ip6rule.txt", "ip -6 rule show"),
    _NETWORKING.run("networking/iproute.txt", "ip route show table all"),
    _NETWORKING.run("networking/ip6route.txt", "ip -6 route show table all"),
    # The collector may not reach the API server: what the doctor saw of it stands for the peer's GET of /livez.
    _NETWORKING.digest("networking/get_api_server.txt", digests.api_server, "/run/node-agent/doctor.json"),
    _NETWORKING.each(
        "networking/systemd-network/*",
        "networkctl --json=short",
        items.link_files,
        "systemd-analyze cat-config {the .link file of each interface}",
    ),
    # The peer has it only where networkctl failed: what it said is all that is in it.
    _NETWORKING.each(
        "networking/CheckMacAddressPolicy.log", "networkctl --json=short", items.nothing, "networkctl", when="it fails"
    ),
    _NETWORKING.take("networking/ebpf-data.txt", ebpf.loaded()),
    _NETWORKING.take("networking/ebpf-maps-data.txt", ebpf.maps()),
    _NETWORKING.file("networking/proxy.env", "/etc/network/proxy.env"),
    _RUNTIME.take("containerd/containerd.*.stacks.log", Matching("/tmp/containerd.*.stacks.log")),  # noqa: S108 - there
    _RUNTIME.run("containerd/containerd-config.txt", "containerd config dump"),
    _RUNTIME.file("containerd/config.toml", "/etc/containerd/config.toml"),
    _RUNTIME.journal("containerd/containerd-log.txt", "--unit=containerd"),
    _RUNTIME.run("containerd/containerd-version.txt", "ctr version"),
    _RUNTIME.run("containerd/containerd-namespaces.txt", "ctr namespaces list"),
    *(_RUNTIME.run(f"containerd/containerd-{what}.txt", f"ctr --namespace k8s.io {what} list") for what in _CONTAINERD),
    # crictl is in no Debian package; where an image has it, its tables are there beside containerd's own.
    _RUNTIME.run("cri/pods.txt", "crictl pods", "ctr --namespace k8s.io sandboxes list"),
    _RUNTIME.run("cri/containers.txt", "crictl ps --all", "ctr --namespace k8s.io containers list"),
    _RUNTIME.run("cri/images.txt", "crictl images --digests", "ctr --namespace k8s.io images list"),
    _RUNTIME.journal("kubelet/kubelet.log", "--unit=kubelet", "--since=10 days ago"),
    _RUNTIME.run("kubelet/kubelet_service.txt", "systemctl cat --no-pager kubelet"),
    _RUNTIME.file(
        "kubelet/config.json",
        *(
            f"/etc/kubernetes/kubelet/{name}"
            for name in ("config", "config.json", "config.yaml", "kubelet-config.json")
        ),
    ),
    _RUNTIME.tree("kubelet/config.json.d/", "/etc/kubernetes/kubelet/config.json.d"),
    _RUNTIME.file(
        "kubelet/kubeconfig.yaml",
        *("/etc/kubernetes/kubelet/kubeconfig", "/var/lib/kubelet/kubeconfig", "/etc/eksctl/kubeconfig.yaml"),
    ),
    _RUNTIME.take("kubelet/healthz.txt", Loopback(10248, "/healthz")),
    _RUNTIME.take("kubelet/cluster-ca.txt", Authorities("/etc/kubernetes/pki/ca.crt"), redaction=_CERTIFICATES),
    _RUNTIME.journal("nodeadm/nodeadm-config.log", "--unit=nodeadm-config"),
    _RUNTIME.journal("nodeadm/nodeadm-run.log", "--unit=nodeadm-run"),
    _RUNTIME.journal("sandbox-image/sandbox-image-log.txt", "--unit=sandbox-image"),
    *_SYSTEM.pods("eks-pod-identity-agent"),
    _SYSTEM.each("storage/mounts.txt", _MOUNTINFO, items.mounts, "mount; df --human-readable"),
    # A mount that does not answer makes df exit with 1; the others are printed.
    _SYSTEM.run("storage/inodes.txt", "df --inodes", accepts=(0, 1)),
    _SYSTEM.run("storage/lsblk.txt", "lsblk"),
    _SYSTEM.each(
        "storage/xfs.txt", _MOUNTINFO, items.xfs, "xfs_info, xfs_db freesp {each XFS device}", when="XFS is mounted"
    ),
    _SYSTEM.each(
        "storage/pod_local_storage.txt",
        *(_MOUNTINFO, items.overlays, "du -sh {each overlay's upperdir}"),
        when="containers run",
    ),
    _SYSTEM.log("kernel/dmesg.boot", "/var/log/dmesg"),
    _SYSTEM.run("kernel/dmesg.current", "dmesg"),
    _SYSTEM.run("kernel/dmesg.human.current", "dmesg --ctime"),
    _SYSTEM.run("kernel/uname.txt", "uname -a"),
    _SYSTEM.run("kernel/modules.txt", "lsmod"),
    _SYSTEM.run("modinfo/lustre", "modinfo lustre", accepts=(0, 1), when="modinfo and the module are installed"),
    _SYSTEM.tree("pstore/sys_fs_pstore/", "/sys/fs/pstore", "pstore is mounted and a kernel left something there"),
    _SYSTEM.tree("pstore/systemd_pstore/", "/var/lib/systemd/pstore", "systemd-pstore has saved what a kernel left"),
    *(_SYSTEM.journal(f"automode/{unit}.txt", f"--unit={unit}") for unit in _UNITS),
    # The peer's spelling.
    _SYSTEM.journal("automode/coredns-boostrap.txt", "--unit=coredns-bootstrap"),
    # The first table shows averages since the boot, the second those of a second.
    _SYSTEM.run("system/top.txt", "top -b -d 1 -n 2 -w 512"),
    _SYSTEM.run("system/services.txt", "systemctl list-units --no-pager"),
    # Exits with 1 while the boot has not ended, and says so.
    _SYSTEM.run("system/systemd-analyze.svg", "systemd-analyze plot", accepts=(0, 1)),
    _SYSTEM.run("system/ps.txt", "ps fauxwww --headers"),
    _SYSTEM.run("system/ps-threads.txt", "ps -eTF --headers"),
    _SYSTEM.file("system/procstat.txt", "/proc/stat"),
    _SYSTEM.digest("system/allprocstat.txt", digests.joined, "/proc/[0-9]*/stat"),
    # Keys that may not be read make it exit with 1 or 255; all others are printed.
    _SYSTEM.run("sysctls/sysctl_all.txt", "sysctl --all", accepts=(0, 1, 255)),
    _SYSTEM.file(
        "bottlerocket/application-inventory.json",
        *(f"/usr/share/{name}/application-inventory.json" for name in ("bottlerocket", "node-agent")),
    ),
    # logdog writes an archive with its secrets in it to where the kubelet shows it; so it is not run either.
    _SYSTEM.take("bottlerocket/logdog/command-output.log", Withheld(_LOGDOG)),
    _SYSTEM.take("bottlerocket/logdog/bottlerocket-logs.tar.gz", Withheld(_LOGDOG)),
    _SYSTEM.digest("system/io_throttling.txt", digests.block_io_delays, "/proc/[0-9]*/stat"),
    _SYSTEM.digest("system/cpu_throttling.txt", digests.throttled_cgroups, "/sys/fs/cgroup/**/cpu.stat"),
    _SYSTEM.digest(
        "system/cgroup_memory.txt",
        digests.memory_of_cgroups,
        *(f"/sys/fs/cgroup/**/memory.{name}" for name in ("current", "max", "peak", "events")),
    ),
    _SYSTEM.journal(
        "system/oom.txt",
        *("--dmesg", "--grep=out of memory|oom-kill|oom_reaper|killed process", "--case-sensitive=no"),
        accepts=(0, 1),
        when="this boot's kernel has killed for want of memory",
    ),
    *(_SYSTEM.file(f"system/pressure_{what}.txt", f"/proc/pressure/{what}") for what in ("cpu", "memory", "io")),
    _SYSTEM.file("system/meminfo.txt", "/proc/meminfo"),
    _SYSTEM.run("system/time.txt", "timedatectl show", "timedatectl show-timesync --all", accepts=(0, 1)),
    _SYSTEM.run("system/chrony.txt", "chronyc -n tracking", "chronyc -n sources -v", accepts=(0, 1)),
    _SYSTEM.take(
        "system/ca-certificates.txt", Authorities("/etc/ssl/certs/ca-certificates.crt"), redaction=_CERTIFICATES
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
