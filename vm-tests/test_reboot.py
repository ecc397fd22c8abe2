"""What a reboot keeps and what a clone must not have."""

import pytest

import guest
from world.node import Node
from world.waiting import until

pytestmark = pytest.mark.vm


def identity(node: Node) -> dict[str, str]:
    script = "cat /etc/machine-id /proc/sys/kernel/random/boot_id; findmnt --noheadings --output UUID /var"
    machine, boot, volume = guest.run(node, script).split()
    return {"machine": machine, "boot": boot, "volume": volume}


@pytest.fixture(scope="module")
def before(node: Node) -> dict[str, str]:
    """The identity before a reboot, after which the node is Ready again."""
    found = identity(node)
    guest.run(node, "touch /var/lib/kept")
    node.reboot()
    until(lambda: identity(node)["boot"] != found["boot"], 300, "the next boot")
    until(lambda: node.shell("systemctl is-active kubelet").status == 0, 300, "kubelet of the next boot")
    node.wait_ready()
    return found


def test_machine_id_and_data_volume_are_stable_over_a_reboot(node: Node, before: dict[str, str]) -> None:
    after = identity(node)
    assert (after["machine"], after["volume"]) == (before["machine"], before["volume"])
    guest.run(node, "test -e /var/lib/kept")


@pytest.mark.usefixtures("before")
def test_nothing_fails_on_the_second_boot(node: Node) -> None:
    assert guest.run(node, "systemctl --failed --no-legend --plain") == ""
