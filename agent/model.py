"""Frozen values that more than one room speaks of."""

from dataclasses import dataclass

# What a console cycle shows beside the doctor's report and the daemons' statuses, in the order of use.
CONSOLE_SECTIONS = (
    *("kubelet", "containerd", "ipamd", "node-agent", "systemd", "networkd", "interfaces", "routes", "apiserver"),
    *("disk", "memory", "cpu", "dmesg"),
)


@dataclass(frozen=True, slots=True)
class Unknown:
    """A value that could not be read: neither present nor known to be absent (`None`)."""

    reason: str


@dataclass(frozen=True, slots=True)
class FileSpec:
    """A file as it should be: its absolute path on the node, content and mode; a `secret` one is not shown."""

    path: str
    content: bytes
    mode: int = 0o644
    secret: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said of one settings key: `level` is `error` only where kubelet must not start."""

    path: str
    level: str
    message: str
    source: str


@dataclass(frozen=True, slots=True)
class Instance:
    """Who this EC2 instance is; `domain` is its partition's DNS suffix."""

    instance_id: str
    region: str
    availability_zone: str
    instance_type: str
    account_id: str
    image_id: str
    local_ipv4: str | None
    ipv6: str | None
    domain: str


@dataclass(frozen=True, slots=True)
class Disk:
    """A whole disk, its size in bytes. `in_use`: it or a partition of it is mounted, or held (by dm-verity for one).

    `device_name` is where the block device mapping puts it (`xvdb`), empty where the disk does not tell.
    """

    name: str
    serial: str
    size: int
    in_use: bool
    model: str = ""
    device_name: str = ""
