"""The evidence of a healthy node, to be broken."""

from datetime import UTC, datetime, timedelta

from agent.dns_question import Taken
from agent.doctor.evidence import (
    Configured,
    Endpoint,
    Evidence,
    Filesystem,
    Identity,
    KernelNews,
    Machine,
    Metadata,
    Node,
    Proxy,
    Resolution,
    Role,
    Serving,
    Status,
    Unit,
    Uplink,
)

NOW = datetime(2026, 11, 22, 15, 0, tzinfo=UTC)
NODE = "i-0123456789abcdef0"


def unit(name: str, active: str = "active", **more: str) -> Unit:
    return Unit(name=name, load=more.pop("load", "loaded"), active=active, sub="", **more)


def units(**changed: Unit) -> dict[str, Unit]:
    names = {"containerd": unit("containerd.service"), "kubelet": unit("kubelet.service"), **changed}
    return {f"{name}.service": value for name, value in names.items()}


GIB = 1 << 30
HEALTHY_UPLINK = Uplink("eth0", True, True, 9001, ("10.0.0.100/24",), ("10.0.0.1",))
HEALTHY = Evidence(
    now=NOW,
    uplink=HEALTHY_UPLINK,
    clock_ahead=timedelta(seconds=0.2),
    statuses={
        "configure": Status("ok", ""),
        "storage": Status("ok", "/var is on vol-1"),
        "network": Status("ok", "2 ENIs"),
    },
    configured=Configured("ok", ""),
    metadata=Metadata(NODE, "us-west-2a"),
    role=Role(NOW + timedelta(hours=6)),
    endpoint=Endpoint("api.demo.example", 443, "demo", NODE),
    resolution=Resolution(("10.0.0.5",), 0.01),
    nameservers=(Taken("10.0.0.2", "NOERROR", 0.003),),
    connection="10.0.0.5",
    tls="TLSv1.3",
    identity=Identity(f"system:node:{NODE}", ("system:nodes", "system:authenticated")),
    node=Node("True", "KubeletReady"),
    units=units(),
    failed_units=(),
    proxy=Proxy(),
    filesystems=(Filesystem("/var", 20 * GIB, 10 * GIB, 1000, 900),),
    machine=Machine(4 * GIB, 3 * GIB, 32768, 200),
    containerd_socket=True,
    serving=Serving(present=True),
    pull_failures=(),
    secondaries=(),
    kernel=KernelNews(),
)
