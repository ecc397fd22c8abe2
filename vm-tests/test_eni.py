"""Secondary interfaces come, work and go on a real node; the VPC's source check sees by which port each packet left."""

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import guest
import guest_network
from outside import ADDRESSES, answering
from world import World, namespaces
from world.eni import Eni
from world.node import Node
from world.waiting import until

pytestmark = [pytest.mark.vm, pytest.mark.full]

PATIENCE = 60.0
# What another package may ship: strict reverse path filtering on every link.
GLOB, GLOBS = "net.ipv4.conf.*.rp_filter = 1", "/run/sysctl.d/99-another-package.conf"


@pytest.fixture(scope="module")
def outside(world: World) -> Iterator[tuple[str, dict[int, int]]]:
    """A host beyond the VPC: its namespace, and the port at which it answers in each family."""
    netns = world.add_host("afar", *ADDRESSES.values())
    with answering(netns) as ports:
        yield netns, ports


@pytest.fixture(scope="module")
def enis(node: Node) -> Iterator[list[Eni]]:
    """Three interfaces, plugged in one after the other: two of the node's subnet, one of another; one has prefixes."""
    # udev applies such a glob to each link that comes, in a race with the daemon.
    guest.run(node, f"mkdir -p /run/sysctl.d && echo '{GLOB}' > {GLOBS}")
    plain, other = node.attach_eni(subnet=0), node.attach_eni(subnet=1)
    delegated = node.attach_eni(subnet=0).delegate(prefixes=1, prefixes6=1)
    node.change_eni(delegated)
    attached = [plain, other, delegated]
    for eni in attached:
        wait_ready(node, eni)
    yield attached
    for eni in attached:
        node.detach_eni(eni)
    guest.run(node, f"rm -f {GLOBS}")


def published(node: Node, eni: Eni) -> dict[str, Any]:
    """Return what enis.json says of an interface, {} where it says nothing."""
    found = (entry for entry in guest.status(node, "enis").get("enis", []) if entry["eniId"] == eni.eni_id)
    return next(found, {})


def wait_ready(node: Node, eni: Eni) -> str:
    """Wait until the interface is published as ready and the kernel has all of it; returns its link's name."""
    until(lambda: published(node, eni).get("state") == "ready", PATIENCE, f"{eni.eni_id} is ready")
    name: str = published(node, eni)["ifname"]
    missing = guest_network.expected(eni, name) - guest_network.held(node)
    until(lambda: guest_network.expected(eni, name) <= guest_network.held(node), PATIENCE, f"it has {missing}")
    return name


def assert_leaves_by_its_own_port(world: World, node: Node, eni: Eni, send: Callable[[], str], heard: str) -> None:
    """What is sent must be answered, have passed the check of the interface's port, and no other port's tried it."""
    vpc = world.region.vpc
    passed, refused = vpc.passed(eni), vpc.refused(node.primary)
    assert send() == heard
    assert vpc.passed(eni) > passed
    assert vpc.refused(node.primary) == refused
    assert vpc.refused(eni) == 0


@pytest.mark.parametrize("which", range(3))
@pytest.mark.parametrize("family", [4, 6])
def test_each_interface_is_usable(
    world: World, node: Node, enis: list[Eni], outside: tuple[str, dict[int, int]], which: int, family: int
) -> None:
    eni, (_, ports) = enis[which], outside
    host, source = ADDRESSES[family], (eni.addresses if family == 4 else eni.addresses6)[0]
    assert_leaves_by_its_own_port(
        world, node, eni, lambda: guest_network.visit(node, host, ports[family], str(source)), str(source)
    )


def test_networkd_leaves_secondary_interfaces_alone(node: Node, enis: list[Eni]) -> None:
    listed = [line.split() for line in guest.run(node, "networkctl --no-legend --no-pager list").splitlines()]
    states = {words[1]: words[-1] for words in listed}
    assert {states[published(node, eni)["ifname"]] for eni in enis} == {"unmanaged"}
    assert states[published(node, node.primary)["ifname"]] == "configured"


def test_no_other_packages_sysctls_win(node: Node, enis: list[Eni]) -> None:
    """A link of nobody's shows that udev heeds the glob, which was there before the interfaces came."""
    guest.run(node, "ip link add name stranger type veth peer name stranger-far")
    try:
        until(lambda: sysctls(node, "net/ipv4/conf/stranger/rp_filter") == ["1"], PATIENCE, "udev applies the glob")
    finally:
        guest.run(node, "ip link delete dev stranger")
    names = [published(node, eni)["ifname"] for eni in enis]
    keys = [key for name in names for key in (f"net/ipv4/conf/{name}/rp_filter", f"net/ipv6/conf/{name}/accept_ra")]
    until(lambda: sysctls(node, *keys) == ["2", "0"] * len(enis), PATIENCE, "the interfaces have what they must")


def test_thresholds_of_the_neighbour_tables_are_set_and_kept(node: Node) -> None:
    """Only the first network namespace of a machine has them."""
    keys = [f"net/{family}/neigh/default/gc_thresh{number}" for family in ("ipv4", "ipv6") for number in (1, 2, 3)]
    expected = ["0", "15360", "16384"] * 2
    until(lambda: sysctls(node, *keys) == expected, PATIENCE, "they are set")
    guest.run(node, f"cd /proc/sys && echo 1024 > {keys[2]} && echo 128 > {keys[3]}")
    until(lambda: sysctls(node, *keys) == expected, PATIENCE, "they are put right")


def sysctls(node: Node, *keys: str) -> list[str]:
    return guest.run(node, f"cd /proc/sys && cat {' '.join(keys)}").split()


def test_networkds_reload_and_restart_take_nothing_away(node: Node, enis: list[Eni]) -> None:
    names = {eni: published(node, eni)["ifname"] for eni in enis}
    for command in ("networkctl reload", "systemctl restart systemd-networkd"):
        guest.run(node, command)
        for eni, name in names.items():
            until(lambda eni=eni, name=name: guest_network.expected(eni, name) <= guest_network.held(node), 30, command)
    until(lambda: guest.status(node, "network")["state"] == "ok", PATIENCE, "all is well")


@pytest.fixture
def pod(node: Node, enis: list[Eni]) -> Iterator[str]:
    """A pod of the third interface's prefix."""
    address = str(enis[2].prefixes[0][5])
    offered = str(enis[2].prefixes[0])
    path = "/etc/cni/net.d/10-node-agent.conflist"
    until(lambda: node.shell(f"grep -q {offered} {path}").status == 0, PATIENCE, "its prefix is offered")
    guest_network.start_pod(node, address)
    yield address
    guest_network.stop_pod(node, address)


def test_a_pod_of_a_secondary_interface_answers_from_outside(
    world: World, node: Node, enis: list[Eni], outside: tuple[str, dict[int, int]], pod: str
) -> None:
    netns, _ = outside

    def visit() -> str:
        with namespaces.entered(netns):
            connection = until(lambda: dial(pod, guest_network.POD_PORT), PATIENCE, "the pod answers")
        with connection:
            return connection.recv(100).decode()

    assert_leaves_by_its_own_port(world, node, enis[2], visit, "pod")


def dial(host: str, port: int) -> socket.socket | None:
    try:
        return socket.create_connection((host, port), timeout=5)
    except ConnectionRefusedError:  # not listening yet
        return None


def test_a_prefix_comes_and_goes_at_run_time(node: Node, enis: list[Eni]) -> None:
    plain = enis[0]
    delegated = plain.delegate(prefixes=2, prefixes6=1)
    node.change_eni(delegated)
    wait_ready(node, delegated)
    node.change_eni(plain)
    words = {*map(str, delegated.prefixes), *map(str, delegated.prefixes6)}
    until(lambda: not any(words & set(line.split()) for line in guest_network.held(node)), PATIENCE, "it is withdrawn")
    wait_ready(node, plain)


def test_a_restart_writes_nothing(node: Node, enis: list[Eni]) -> None:
    indexes = {guest_network.index_of(node, published(node, eni)["ifname"]) for eni in enis}
    guest_network.start_news(node)
    try:
        ports = guest_network.netlink_ports(node)
        guest.run(node, f"systemctl restart {guest_network.UNIT}")
        ports |= guest_network.netlink_ports(node)
        requests = len(node.imds.requests)
        until(lambda: len(node.imds.requests) > requests + 60, PATIENCE, "it has looked at IMDS twice")
        news = guest_network.take_news(node)
    finally:
        guest_network.stop_news(node)
    assert [each for each in news if each.writer in ports or each.is_about(indexes)] == []


def test_an_end_in_the_middle_of_its_work_is_made_good(node: Node, enis: list[Eni]) -> None:
    names = {eni: published(node, eni)["ifname"] for eni in enis}
    tables = " ".join(str(eni.device_number + 1) for eni in enis)
    expected = {line for eni, name in names.items() for line in guest_network.expected(eni, name)}
    # By then it may have made all: what comes last, the rules from addresses, is taken away as if it had not been.
    guest.run(
        node,
        f"""systemctl stop {guest_network.UNIT}
        for table in {tables}; do
          for family in -4 -6; do
            ip $family route flush table $table
            while ip $family rule del lookup $table 2>/dev/null; do :; done
          done
        done
        systemctl start --no-block {guest_network.UNIT}
        until ip -4 rule show | grep -q ^32765; do :; done
        systemctl kill --signal KILL {guest_network.UNIT}
        systemctl stop {guest_network.UNIT}
        while ip -6 rule del priority 32765 2>/dev/null; do :; done""",
    )
    assert expected - guest_network.held(node), "something is missing"
    guest.run(node, f"systemctl start {guest_network.UNIT}")
    for eni, name in names.items():
        until(lambda eni=eni, name=name: guest_network.expected(eni, name) <= guest_network.held(node), PATIENCE, name)
    until(lambda: guest.status(node, "network")["state"] == "ok", PATIENCE, "all is well")


def test_an_interface_goes_without_residue_and_its_number_is_used_again(
    world: World, node: Node, enis: list[Eni], outside: tuple[str, dict[int, int]]
) -> None:
    gone = enis[1]
    node.detach_eni(gone)
    until(lambda: not guest_network.residue(node, gone), PATIENCE, f"{guest_network.residue(node, gone)} goes")
    until(lambda: published(node, gone).get("state") in {None, "gone"}, PATIENCE, "it is published no more")
    again = node.attach_eni(subnet=1)
    enis[1] = again
    assert again.device_number == gone.device_number
    wait_ready(node, again)
    _, ports = outside
    source = str(again.addresses[0])
    assert_leaves_by_its_own_port(
        world, node, again, lambda: guest_network.visit(node, ADDRESSES[4], ports[4], source), source
    )


def test_all_of_it_is_there_after_a_reboot(
    world: World, node: Node, enis: list[Eni], outside: tuple[str, dict[int, int]]
) -> None:
    before = guest.run(node, "cat /proc/sys/kernel/random/boot_id")
    node.reboot()
    until(lambda: guest.run(node, "cat /proc/sys/kernel/random/boot_id") != before, 300, "the next boot")
    node.wait_ready()
    _, ports = outside
    for eni in enis:
        wait_ready(node, eni)
        source = str(eni.addresses[0])
        assert_leaves_by_its_own_port(
            world, node, eni, lambda source=source: guest_network.visit(node, ADDRESSES[4], ports[4], source), source
        )
