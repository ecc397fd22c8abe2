"""What the doctor's probes saw, as frozen values: the input of every verdict.

A field is the value, a `Trouble` where the probe failed, or None where nobody asked.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeAlias

from agent.dns_question import Taken
from agent.doctor.report import Announced
from agent.model import Verdict


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a probe gave no value: `kind` is what a verdict goes by, `message` and `hint` are for people."""

    kind: str
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Uplink:
    """The primary interface as the kernel has it, and its way out.

    `gateways` are those of its default routes, `silent` those of them that do not answer (ARP, neighbour discovery).
    """

    name: str
    up: bool
    carrier: bool
    mtu: int
    addresses: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Metadata:
    """What instance metadata says of the instance."""

    instance_id: str
    availability_zone: str


@dataclass(frozen=True, slots=True)
class Role:
    """The instance role's credentials, without the secrets."""

    expires: datetime


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The API server as kubelet's kubeconfig names it."""

    host: str
    port: int
    cluster: str
    node_name: str


@dataclass(frozen=True, slots=True)
class Resolution:
    """The addresses of the API server, and how many seconds the node's resolver took."""

    addresses: tuple[str, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Proxy:
    """The HTTPS proxy of the node without its credentials, empty where none is set, and its answer to CONNECT.

    `bypassed`: one is set, and settings.network.no-proxy has the target reached without it. `socks`: it takes
    connections, and cannot be asked for the target, as it speaks SOCKS.
    """

    address: str = ""
    target: str = ""
    status: int = 0
    bypassed: bool = False
    socks: bool = False


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the API server takes the node for (SelfSubjectReview)."""

    user: str
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Taint:
    """A taint of the Node, written as kubectl writes it."""

    key: str
    effect: str
    value: str = ""

    def __str__(self) -> str:
        return f"{self.key}={self.value}:{self.effect}" if self.value else f"{self.key}:{self.effect}"


@dataclass(frozen=True, slots=True)
class Node:
    """The Node object: its Ready condition, its taints, the pressure conditions that are true, and ours.

    `created` is when kubelet registered it, by the API server's clock.
    """

    ready: str
    reason: str = ""
    message: str = ""
    taints: tuple[Taint, ...] = ()
    pressures: tuple[str, ...] = ()
    created: datetime | None = None
    announced: Announced = field(default_factory=Announced)


@dataclass(frozen=True, slots=True)
class Unit:
    """The state of a systemd unit, as `systemctl show` names it; `last_words` is the newest complaint in its journal.

    `job` names what systemd is about to do with it, such as starting it once what it waits for has started;
    `active_for` is how many seconds it has run, None where it does not.
    """

    name: str
    load: str
    active: str
    sub: str
    result: str = ""
    restarts: str = "0"
    exit_status: str = "0"
    job: str = ""
    last_words: str = ""
    active_for: float | None = None


@dataclass(frozen=True, slots=True)
class Filesystem:
    """A file system that kubelet and containerd write to: its size and what is free, in bytes and in inodes."""

    path: str
    size: int
    free: int
    inodes: int
    free_inodes: int


@dataclass(frozen=True, slots=True)
class Machine:
    """Memory in bytes and process IDs: what there is and what is left."""

    memory: int
    available_memory: int
    pids: int
    used_pids: int


@dataclass(frozen=True, slots=True)
class KernelNews:
    """The kernel's own bad news: processes it killed for want of memory in this boot, and how the last boot ended."""

    killed: tuple[str, ...] = ()
    panic: str = ""


@dataclass(frozen=True, slots=True)
class PullFailure:
    """A failed pull of an image, in the words of who failed."""

    image: str
    reason: str


@dataclass(frozen=True, slots=True)
class Secondary:
    """A secondary ENI as the network daemon publishes it, and for how many seconds it has been in its state."""

    name: str
    state: str
    reason: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Serving:
    """kubelet's serving certificate: whether it is there, and for how many seconds kubelet has run without it.

    `asked`: kubelet asks the cluster for one (settings.kubernetes.server-tls-bootstrap).
    """

    present: bool
    waited: float = 0.0
    asked: bool = True


@dataclass(frozen=True, slots=True)
class Status:
    """The status file of a daemon; `action` is what it would have a person do."""

    state: str
    message: str
    action: str = ""


@dataclass(frozen=True, slots=True)
class Configured:
    """The status file of configure: what became of the user data."""

    state: str
    message: str
    verdicts: tuple[Verdict, ...] = ()


Probed: TypeAlias = Trouble | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that one run of the doctor saw."""

    now: datetime
    uplink: Uplink | Probed = None
    clock_ahead: timedelta | None = None
    statuses: Mapping[str, Status] = field(default_factory=dict)
    configured: Configured | None = None
    metadata: Metadata | Probed = None
    role: Role | Probed = None
    endpoint: Endpoint | Probed = None
    resolution: Resolution | Probed = None
    nameservers: tuple[Taken, ...] | None = None
    connection: str | Probed = None
    tls: str | Probed = None
    identity: Identity | Probed = None
    node: Node | Probed = None
    proxy: Proxy | Probed = None
    registry: str | Probed = None
    filesystems: tuple[Filesystem, ...] = ()
    machine: Machine | None = None
    containerd_socket: bool | None = None
    units: Mapping[str, Unit] = field(default_factory=dict)
    failed_units: tuple[str, ...] | Probed = None
    serving: Serving | None = None
    pull_failures: tuple[PullFailure, ...] | None = None
    secondaries: tuple[Secondary, ...] | None = None
    kernel: KernelNews | None = None
