"""The network daemon in a region without a machine: veths as ENIs behind the VPC's source check, and real packets."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import pytest
from network.behaviour import kernel
from network.behaviour.ground import Daemon, Ground, running

from outside import ADDRESSES, answering
from world import namespaces
from world.eni import MTU, Eni
from world.listener import listen
from world.ownership import Home
from world.processes import run
from world.region import Region, Resident
from world.vpc import ROUTER6
from world.waiting import until

pytestmark = pytest.mark.netns

PATIENCE = 20.0


@pytest.fixture(scope="module")
def instance(home: Home, region: Region) -> Resident:
    """An instance whose primary interface is as systemd-networkd makes it."""
    resident, host = region.create(prefixes=1), home.namespace("host")
    namespaces.make(host)
    eni = resident.primary
    plug(region, host, eni)
    run(["ip", "-n", host, "link", "set", "dev", eni.port, "mtu", str(MTU), "up"])
    run(["ip", "-n", host, "address", "add", f"{eni.addresses[0]}/{eni.subnet.cidr.prefixlen}", "dev", eni.port])
    run(["ip", "-n", host, "address", "add", f"{eni.addresses6[0]}/128", "dev", eni.port, "nodad"])
    run(["ip", "-n", host, "route", "add", "default", "via", str(eni.subnet.gateway), "dev", eni.port])
    run(["ip", "-n", host, "route", "add", "default", "via", ROUTER6, "dev", eni.port])
    return resident


@pytest.fixture(scope="module")
def node(home: Home, instance: Resident, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    root = tmp_path_factory.mktemp("node")
    made = Ground(home.namespace("host"), root, "http://169.254.169.254", instance.metadata)
    yield made
    made.news.close()


@pytest.fixture(scope="module")
def daemon(node: Ground) -> Iterator[Daemon]:
    with running(node) as started:
        yield started


@pytest.fixture(scope="module")
def beyond(home: Home, region: Region) -> Iterator[dict[int, int]]:
    """A host beyond the VPC: the port at which it answers in each family."""
    name = home.namespace("outside")
    namespaces.make(name)
    region.vpc.attach(name, *ADDRESSES.values())
    with answering(name) as ports:
        yield ports


def plug(region: Region, host: str, eni: Eni) -> None:
    far = ["peer", "name", eni.port, "mtu", str(MTU), "netns", region.vpc.netns]
    run(["ip", "-n", host, "link", "add", "name", eni.port, "address", eni.mac, "type", "veth", *far])
    region.vpc.admit(eni)


@pytest.fixture(scope="module")
def attach(region: Region, node: Ground, instance: Resident, daemon: Daemon) -> Callable[[Eni], Eni]:
    """Attach an interface, and wait until the daemon says that it is ready."""

    def attach(eni: Eni) -> Eni:
        region.attach(instance, eni)
        plug(region, node.name, eni)
        daemon.kick()
        until(lambda: state(node, eni) == "ready", PATIENCE, f"{eni.eni_id} is ready", 0.05)
        return eni

    return attach


def state(node: Ground, eni: Eni) -> str | None:
    return next((entry["state"] for entry in node.snapshot()["enis"] if entry["eniId"] == eni.eni_id), None)


@pytest.fixture(scope="module")
def enis(region: Region, attach: Callable[[Eni], Eni]) -> list[Eni]:
    """Three interfaces: two of the node's subnet, one of another; the last has prefixes."""
    plain, other = region.vpc.create(1, subnet=0), region.vpc.create(2, subnet=1)
    delegated = region.vpc.create(3, subnet=0).delegate(prefixes=1, prefixes6=1)
    return [attach(plain), attach(other), attach(delegated)]


def visit(netns: str, host: str, port: int, source: str | None = None) -> str:
    """Connect from a namespace, and return what the host says."""
    with namespaces.entered(netns):
        connection = socket.create_connection((host, port), 5, source_address=(source, 0) if source else None)
    with connection:
        return connection.recv(100).decode()


def assert_leaves_by_its_own_port(region: Region, instance: Resident, eni: Eni, send: Callable[[], str]) -> str:
    """What is sent must be answered, have passed the check of the interface's port, and no other port's tried it."""
    passed, refused = region.vpc.passed(eni), region.vpc.refused(instance.primary)
    heard = send()
    assert region.vpc.passed(eni) > passed
    assert region.vpc.refused(instance.primary) == refused
    assert region.vpc.refused(eni) == 0
    return heard


@pytest.mark.parametrize("which", range(3))
@pytest.mark.parametrize("family", [4, 6])
def test_each_interface_is_usable(
    region: Region, node: Ground, instance: Resident, enis: list[Eni], beyond: dict[int, int], which: int, family: int
) -> None:
    source = str((enis[which].addresses if family == 4 else enis[which].addresses6)[0])
    heard = assert_leaves_by_its_own_port(
        region, instance, enis[which], lambda: visit(node.name, ADDRESSES[family], beyond[family], source)
    )
    assert heard == source


@pytest.fixture
def pod(home: Home, node: Ground, enis: list[Eni]) -> Iterator[tuple[str, dict[int, str]]]:
    """A pod of the third interface's prefixes, as the plug-in ptp makes it: its namespace and its addresses."""
    name = home.namespace("pod")
    namespaces.make(name)
    addresses = {4: str(enis[2].prefixes[0][5]), 6: str(enis[2].prefixes6[0][5])}
    gateways = {4: str(enis[2].prefixes[0][0]), 6: str(enis[2].prefixes6[0][1])}
    pair = ["link", "add", "name", "vethpod", "type", "veth", "peer", "name", "eth0", "netns", name]
    node.ip(*pair)
    for side, link in ((node.name, "vethpod"), (name, "eth0")):
        run(["ip", "-n", side, "link", "set", "dev", link, "up"])
    for family, address in addresses.items():
        quick = ["nodad"] if family == 6 else []
        node.ip("address", "add", gateways[family], "dev", "vethpod", *quick)
        node.ip("route", "replace", address, "dev", "vethpod")
        run(["ip", "-n", name, "address", "add", address, "dev", "eth0", *quick])
        run(["ip", "-n", name, "route", "replace", gateways[family], "dev", "eth0"])
        run(["ip", "-n", name, "route", "add", "default", "via", gateways[family], "dev", "eth0"])
    yield name, addresses
    # The kernel takes a namespace's links away when it finds the time, and the next pod's has the same name.
    node.ip("link", "delete", "dev", "vethpod")
    namespaces.delete(name)


@pytest.mark.parametrize("family", [4, 6])
def test_a_pod_of_a_secondary_interface_is_reached_and_reaches_out(
    home: Home,
    region: Region,
    instance: Resident,
    enis: list[Eni],
    beyond: dict[int, int],
    pod: tuple[str, dict[int, str]],
    family: int,
) -> None:
    name, addresses = pod
    heard = assert_leaves_by_its_own_port(
        region, instance, enis[2], lambda: visit(name, ADDRESSES[family], beyond[family])
    )
    assert heard == addresses[family]
    with namespaces.entered(name):
        listening = listen(addresses[family])
    outside = home.namespace("outside")
    with listening, namespaces.entered(outside):
        port = listening.getsockname()[1]
        socket.create_connection((addresses[family], port), timeout=5).close()


def test_an_unused_address_of_a_prefix_is_refused_and_does_not_bounce(
    home: Home, region: Region, instance: Resident, enis: list[Eni]
) -> None:
    before = region.vpc.refused(instance.primary)
    for address in (str(enis[2].prefixes[0][9]), str(enis[2].prefixes6[0][9])):
        with namespaces.entered(home.namespace("outside")), pytest.raises(OSError, match=r"unreachable|No route"):
            socket.create_connection((address, 80), timeout=5)
    assert region.vpc.refused(instance.primary) == before


def test_an_emptied_table_lets_nothing_out_by_the_primary(
    region: Region, node: Ground, instance: Resident, enis: list[Eni], daemon: Daemon, beyond: dict[int, int]
) -> None:
    """Until the daemon has put it right the packet is refused at once, and never leaves with a foreign source."""
    eni = enis[0]
    before = region.vpc.refused(instance.primary)
    with daemon.paused():
        node.batch(f"route del default via {eni.subnet.gateway} table {eni.device_number + 1}")
        with pytest.raises(OSError, match=r"unreachable|No route"):
            visit(node.name, ADDRESSES[4], beyond[4], str(eni.addresses[0]))
    assert region.vpc.refused(instance.primary) == before
    until(lambda: reaches(node, eni, beyond), PATIENCE, "it is put right")


def reaches(node: Ground, eni: Eni, beyond: dict[int, int]) -> bool:
    try:
        return visit(node.name, ADDRESSES[4], beyond[4], str(eni.addresses[0])) == str(eni.addresses[0])
    except OSError:
        return False


def test_an_interface_goes_and_another_takes_its_number(
    region: Region,
    node: Ground,
    instance: Resident,
    enis: list[Eni],
    attach: Callable[[Eni], Eni],
    beyond: dict[int, int],
) -> None:
    gone = enis[1]
    node.ip("link", "delete", "dev", gone.port)
    region.detach(instance, gone)
    until(lambda: not left_of(node, gone), PATIENCE, f"{left_of(node, gone)} goes")
    again = attach(region.vpc.create(gone.device_number, subnet=1))
    source = str(again.addresses[0])
    heard = assert_leaves_by_its_own_port(
        region, instance, again, lambda: visit(node.name, ADDRESSES[4], beyond[4], source)
    )
    assert heard == source
    enis[1] = again


def left_of(node: Ground, eni: Eni) -> list[str]:
    marks = [f" {address}/" for address in (*eni.addresses, *eni.addresses6)] + [f" table {eni.device_number + 1} "]
    lines = [*kernel.rules(node.name), *kernel.routes(node.name)]
    return [line for line in lines if any(mark in line for mark in marks)]
