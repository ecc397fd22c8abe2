"""Settings that kubelet would refuse on this machine, and reserves that leave room on a small one."""

import json
from dataclasses import replace

import pytest
from configure.samples import FACTS, accepted, document

from agent.configure import fitting, kubelet, reserves


def said(lines: str, **facts: int) -> dict[str, str]:
    found = fitting.remarks(accepted(document(lines)), replace(FACTS, **facts))
    return {remark.path.removeprefix("settings.kubernetes."): remark.message for remark in found}


@pytest.mark.parametrize(
    ("lines", "path", "reason"),
    [
        ('reserved-cpus = "0-63"', "reserved-cpus", "0-63 is more than the CPUs of this machine, 0-1"),
        ('reserved-cpus = "0,2"', "reserved-cpus", "more than the CPUs"),
        ('memory-manager-policy = "Static"', "memory-manager-policy", "as much memory in all as kube-reserved,"
         " system-reserved and eviction-hard, 1565Mi"),
        ('memory-manager-policy = "Static"\nmemory-manager-reserved-memory.0 = {memory = "1Gi"}',
         "memory-manager-policy", "1565Mi"),
        ('system-reserved.memory = "9Gi"', "system-reserved.memory", "more memory is reserved in all"),
        ('system-reserved.cpu = "2"', "system-reserved.cpu", "more cpu is reserved in all"),
        ('eviction-hard."memory.available" = "8000Mi"', 'eviction-hard."memory.available"', "more memory"),
        ('kube-reserved.ephemeral-storage = "20Gi"', "kube-reserved.ephemeral-storage", "more ephemeral-storage"),
    ],
)  # fmt: skip
def test_what_does_not_fit_the_machine_gives_way(lines: str, path: str, reason: str) -> None:
    (only,) = said(lines, storage_mib=10240).items()
    assert only[0] == path
    assert reason in only[1]
    facts = replace(FACTS, storage_mib=10240)
    fitted = fitting.fitted(accepted(document(lines)), facts)
    assert fitting.remarks(fitted, facts) == ()


def test_what_gave_way_is_in_neither_file_of_kubelet_s() -> None:
    settings = accepted(document(rest='[settings.kubelet.config]\nreservedSystemCPUs = "0-63"\npodsPerCore = 9\n'))
    assert "reservedSystemCPUs" not in kubelet.config(settings, FACTS)
    (drop_in,) = (spec.content for spec in kubelet.files(settings, FACTS) if spec.path.endswith("40-nodeadm.conf"))
    assert b"podsPerCore" in drop_in
    assert b"reservedSystemCPUs" not in drop_in


def test_a_reservation_that_gave_way_is_not_enforced() -> None:
    own = '[settings.kubelet.config]\nenforceNodeAllocatable = ["pods", "system-reserved"]\n'
    settings = accepted(document('system-reserved.memory = "9Gi"', own))
    assert [remark.path for remark in fitting.remarks(settings, FACTS)] == [
        "settings.kubernetes.system-reserved.memory",
        "settings.kubelet.config.enforceNodeAllocatable",
    ]
    (drop_in,) = (spec.content for spec in kubelet.files(settings, FACTS) if spec.path.endswith("40-nodeadm.conf"))
    assert json.loads(drop_in)["enforceNodeAllocatable"] == ["pods"]
    assert fitting.remarks(fitting.fitted(settings, FACTS), FACTS) == ()


@pytest.mark.parametrize(
    "lines",
    [
        'reserved-cpus = "0-1"',
        'memory-manager-policy = "Static"\nmemory-manager-reserved-memory.0 = {memory = "1565Mi"}',
        'memory-manager-policy = "Static"\nmemory-manager-reserved-memory.0 = {memory = "1Gi"}\n'
        'memory-manager-reserved-memory.1 = {memory = "541Mi"}',
        'system-reserved.memory = "6Gi"',
        "",
    ],
)
def test_what_fits_stays(lines: str) -> None:
    assert said(lines) == {}


@pytest.mark.parametrize(
    ("lines", "memory", "kept"),
    [
        ("", 7800, "1465Mi"),
        ("", 1024, "412Mi"),
        ('system-reserved.memory = "500Mi"', 1900, "788Mi"),
        ('system-reserved.memory = "500Mi"', 900, "0Mi"),
        ('eviction-hard."memory.available" = "10%"', 2000, "1288Mi"),
    ],
)
def test_the_memory_reserve_leaves_room_beside_the_others(lines: str, memory: int, kept: str) -> None:
    found = reserves.kube_reserved(accepted(document(lines)), replace(FACTS, memory_mib=memory))
    assert found["memory"] == kept


@pytest.mark.parametrize(
    ("lines", "mib", "kept"),
    [
        ('system-reserved.ephemeral-storage = "800Mi"', 1200, "280Mi"),
        ('system-reserved.ephemeral-storage = "2Gi"', 1200, "0Mi"),
    ],
)
def test_the_storage_reserve_leaves_room_beside_the_others(lines: str, mib: int, kept: str) -> None:
    found = reserves.kube_reserved(accepted(document(lines)), replace(FACTS, storage_mib=mib))
    assert found["ephemeral-storage"] == kept
