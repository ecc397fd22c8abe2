"""The tables of [settings] beside [settings.kubernetes]: Bottlerocket's, then those of this agent alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agent.configure import certificates, host_rules, kubelet_fields, rules, url_rules
from agent.configure import kubernetes_rules as k8s
from agent.configure.certificates import Certificate
from agent.configure.host_rules import Credential, Mirror
from agent.configure.rules import Address, boolean, choice, integer
from agent.configure.schema import Entries, Unused, Value, key
from agent.model import CONSOLE_SECTIONS

_CONTAINERD = "/etc/containerd/config.toml"
_REGISTRIES = "/etc/containerd/certs.d"
_PROXY = "/etc/network/proxy.env"
_STORE = "/etc/ssl/certs/ca-certificates.crt"
_RESOLVED = "/etc/systemd/resolved.conf.d"
_CONSOLE = "/etc/node-agent/console.json"
_DROP_IN = "/etc/kubernetes/kubelet/config.json.d/40-nodeadm.conf"


@dataclass(frozen=True, slots=True)
class NetworkTable:
    """[settings.network]."""

    hostname: str | None = key(Value(rules.host_name, "the host name; it is not the node name", "/etc/hostname"))
    hosts: tuple[host_rules.HostsLine, ...] = key(
        Value(host_rules.hosts, "lines of /etc/hosts: [[ip, [name, …]], …]", "/etc/hosts"), ()
    )
    https_proxy: str = key(
        Value(url_rules.proxy, "proxy of containerd, kubelet and uploads", _PROXY, holds_secret=True), ""
    )
    no_proxy: tuple[str, ...] = key(Value(url_rules.no_proxy, "what is reached without the proxy", _PROXY), ())
    disable_ipv6: bool = key(Value(boolean, "switch IPv6 off", fixed=False), default=False)
    pod_subnet: bool = key(
        Value(
            boolean, "secondary ENIs belong to pods only (pod subnets of a NodeClass)", "/etc/node-agent/network.json"
        ),
        default=False,
    )
    snat_policy: str = key(
        Value(choice("Random", "Disabled"), "source NAT of what pods send", fixed="Random"), "Random"
    )
    network_policy: str = key(
        Value(choice("DefaultAllow", "DefaultDeny"), "what pods may reach before a policy says", fixed="DefaultAllow"),
        "DefaultAllow",
    )
    network_policy_event_logs: str = key(
        Value(choice("Enabled", "Disabled"), "log what network policies decide", fixed="Disabled"), "Disabled"
    )


@dataclass(frozen=True, slots=True)
class Bundle:
    """[settings.pki.NAME]."""

    data: tuple[Certificate, ...] = key(
        Value(certificates.read, "base64 of the bundle in PEM; empty switches it off", _STORE, holds_secret=True), ()
    )
    trusted: bool = key(Value(boolean, "trust the certificates; else distrust them", _STORE), default=False)


@dataclass(frozen=True, slots=True)
class Dns:
    """[settings.dns]."""

    name_servers: tuple[Address, ...] = key(
        Value(rules.list_of(rules.address), "the host's resolvers instead of DHCP's", _RESOLVED), ()
    )
    search_list: tuple[str, ...] = key(
        Value(rules.list_of(rules.domain), "the domains it completes names with", _RESOLVED), ()
    )


@dataclass(frozen=True, slots=True)
class Ntp:
    """[settings.ntp]."""

    time_servers: tuple[str, ...] = key(
        Value(rules.list_of(rules.host), "time servers instead of Amazon's", "/etc/systemd/timesyncd.conf.d"), ()
    )
    options: tuple[str, ...] = key(Value(rules.list_of(rules.text), "chrony's options, which this image lacks"), ())


@dataclass(frozen=True, slots=True)
class Aws:
    """[settings.aws]."""

    region: str | None = key(Value(rules.region, "the region; instance metadata says it"))
    profile: str | None = key(Value(rules.text, "the profile of the credentials; the instance role is used"))
    config: bytes | None = key(Value(rules.base64_bytes, "base64 of an AWS configuration", secret=True))
    credentials: bytes | None = key(Value(rules.base64_bytes, "base64 of AWS credentials", secret=True))


@dataclass(frozen=True, slots=True)
class ContainerRegistry:
    """[settings.container-registry]."""

    mirrors: tuple[Mirror, ...] = key(
        Value(host_rules.mirrors, "where images of a registry come from, best first", _REGISTRIES), ()
    )
    credentials: tuple[Credential, ...] = key(
        Value(host_rules.credentials, "who we are to a registry", _CONTAINERD, secret=True), ()
    )


@dataclass(frozen=True, slots=True)
class ContainerRuntime:
    """[settings.container-runtime]."""

    max_container_log_line_size: int | None = key(
        Value(integer(-1, rules.INT32), "bytes at which a line of a container's log is cut", _CONTAINERD)
    )
    max_concurrent_downloads: int | None = key(
        Value(integer(1, 1000), "layers of an image fetched at once", _CONTAINERD)
    )
    enable_unprivileged_ports: bool | None = key(Value(boolean, "any user may bind low ports", _CONTAINERD))
    enable_unprivileged_icmp: bool | None = key(Value(boolean, "any user may ping", _CONTAINERD))
    log_level: str | None = key(
        Value(choice("trace", "debug", "info", "warn", "error", "fatal", "panic"), "what containerd logs", _CONTAINERD)
    )
    snapshotter: str = key(
        Value(choice("overlayfs", "soci"), "how layers are put together", fixed="overlayfs"), "overlayfs"
    )
    max_concurrent_unpacks: int | None = key(Value(integer(1, 1000), "layers unpacked at once"))
    concurrent_download_chunk_size: str | None = key(Value(k8s.quantity, "size of the parts of a layer's download"))


@dataclass(frozen=True, slots=True)
class Kernel:
    """[settings.kernel]."""

    sysctl: Mapping[str, str] = key(Entries(host_rules.sysctl, "kernel settings", "/etc/sysctl.d/90-node-agent.conf"))
    lockdown: str | None = key(
        Value(choice("none", "integrity", "confidentiality"), "what root may do to the kernel; fixed by the image")
    )
    fips: bool = key(Value(boolean, "FIPS 140 cryptography; fixed by the image", fixed=False), default=False)
    modules: None = key(Unused("kernel modules: the image fixes which may load"))
    hugepages: None = key(Unused("huge pages at boot"))
    drivers: None = key(Unused("drivers of accelerators"))


@dataclass(frozen=True, slots=True)
class BootstrapCommand:
    """[settings.bootstrap-commands.NAME]."""

    commands: tuple[tuple[str, ...], ...] = key(
        Value(
            host_rules.commands,
            "`apiclient ephemeral-storage init` and `bind` are done natively, others are not run",
            "the instance store",
        ),
        (),
    )
    mode: str = key(Value(choice("off", "once", "always"), "when", "the instance store"), "off")
    essential: bool = key(
        Value(boolean, "whether the node needs it; a missing device is a warning either way", "the instance store"),
        default=False,
    )


@dataclass(frozen=True, slots=True)
class Kubelet:
    """[settings.kubelet]: kubelet's own configuration, as a NodeConfig has it."""

    config: Mapping[str, Any] = key(Entries(kubelet_fields.field, "fields of KubeletConfiguration", _DROP_IN))
    flags: tuple[str, ...] = key(
        Value(host_rules.flags, "flags, which come last and so win", "/etc/kubernetes/kubelet/flags.env"), ()
    )


@dataclass(frozen=True, slots=True)
class Containerd:
    """[settings.containerd]: containerd's own configuration, as a NodeConfig has it."""

    config: Mapping[str, Any] = key(Entries(rules.json_value, "merged over the generated configuration", _CONTAINERD))
    base_runtime_spec: Mapping[str, Any] = key(
        Entries(rules.json_value, "merged over the OCI specification", "/etc/containerd/base-runtime-spec.json")
    )


@dataclass(frozen=True, slots=True)
class LocalStorage:
    """[settings.local-storage]: what becomes of the disks of the instance store."""

    strategy: str | None = key(
        Value(choice("RAID0", "RAID10", "Mount"), "one array, or each mounted by itself", "the instance store")
    )
    mount_path: str = key(Value(rules.path, "where they are mounted", "the instance store"), "/mnt/k8s-disks")
    disabled_mounts: tuple[str, ...] = key(
        Value(
            rules.list_of(choice("Containerd", "PodLogs", "SOCI")), "what does not move onto them", "the instance store"
        ),
        (),
    )


@dataclass(frozen=True, slots=True)
class Console:
    """[settings.console]: what the agent writes to the EC2 console."""

    enabled: bool = key(Value(boolean, "write to it at all, from when user data is read", _CONSOLE), default=True)
    interval: str | None = key(
        Value(host_rules.console_interval, "how often; every five minutes without it", "a drop-in of the timer")
    )
    sections: tuple[str, ...] | None = key(
        Value(rules.list_of(choice(*CONSOLE_SECTIONS)), "what it shows beside the doctor's report", _CONSOLE)
    )
