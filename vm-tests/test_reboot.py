"""What a reboot keeps and what a clone must not have."""

import pytest

import guest
from world.node import Node
from world.waiting import until

pytestmark = pytest.mark.vm


def identity(node: Node) -> tuple[str, ...]:
    """Return the machine ID and the data volume's file system."""
    return tuple(guest.run(node, "cat /etc/machine-id; findmnt --noheadings --output UUID /var").split())


def boot_id(node: Node) -> str:
    return guest.run(node, "cat /proc/sys/kernel/random/boot_id")


@pytest.fixture(scope="module")
def before(node: Node) -> tuple[str, ...]:
    """The identity before a reboot, after which the node is Ready again."""
    found, boot = identity(node), boot_id(node)
    guest.run(node, "touch /var/lib/kept")
    node.reboot()
    until(lambda: boot_id(node) != boot, 300, "the next boot")
    until(lambda: node.shell("systemctl is-active kubelet").status == 0, 300, "kubelet of the next boot")
    node.wait_ready()
    return found


def test_machine_id_and_data_volume_are_stable_over_a_reboot(node: Node, before: tuple[str, ...]) -> None:
    assert identity(node) == before
    guest.run(node, "test -e /var/lib/kept")


@pytest.mark.usefixtures("before")
def test_nothing_fails_on_the_second_boot(node: Node) -> None:
    assert guest.run(node, "systemctl --failed --no-legend --plain") == ""
