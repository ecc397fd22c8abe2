"""What the sections of a cycle show."""

import pytest

from agent.console.sections import file_systems

OWN = ("/", "/var", "/run")


@pytest.mark.parametrize("status", [None, {}, {"mount": 1, "disks": ["a"]}, {"mount": "/mnt/x", "disks": []}])
def test_without_an_instance_store_the_nodes_own_file_systems_are_shown(status: dict[str, object] | None) -> None:
    assert file_systems(status) == OWN


def test_an_instance_store_is_shown_where_it_is_mounted() -> None:
    status = {"strategy": "RAID0", "mount": "/mnt/k8s-disks", "disks": ["a", "b"]}
    assert file_systems(status) == (*OWN, "/mnt/k8s-disks")
    assert file_systems({**status, "strategy": "Mount"}) == (*OWN, "/mnt/k8s-disks/0", "/mnt/k8s-disks/1")
    assert file_systems({**status, "strategy": "Mount", "disks": ["a"]})[-1:] == ("/mnt/k8s-disks/0",)
