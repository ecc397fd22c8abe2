import json
from dataclasses import replace

import pytest
from configure.samples import FACTS, accepted, document

from agent.configure import identity
from agent.configure.identity import Identity

NOW = identity.identity(accepted(document()), FACTS)
CPUS, MEMORY = identity.MANAGERS


def recorded(found: Identity) -> str:
    return identity.record(found).content.decode()


def state(policy: str) -> str:
    return json.dumps({"policyName": policy, "entries": {}})


def test_the_same_again_drops_nothing() -> None:
    assert identity.stale(recorded(NOW), NOW, {CPUS: state("none"), MEMORY: state("None")}) == ()


def test_another_instance_drops_all_that_kubelet_derived_but_no_images() -> None:
    gone = identity.stale(recorded(replace(NOW, instance_id="i-0fedcba9876543210")), NOW, {})
    assert {CPUS, MEMORY, "/var/lib/kubelet/pki", "/var/lib/kubelet/pods"} <= set(gone)
    assert all(path.startswith("/var/lib/kubelet/") for path in gone)


@pytest.mark.parametrize(
    "before",
    [
        replace(NOW, cpus=NOW.cpus + 2),
        replace(NOW, memory_mib=NOW.memory_mib * 2),
        identity.identity(accepted(document('cpu-manager-policy = "static"')), FACTS),
        identity.identity(accepted(document('reserved-cpus = "0"')), FACTS),
        identity.identity(accepted(document("max-pods = 29")), FACTS),
        identity.identity(
            accepted(document(rest="[settings.kubelet]\nflags = ['--reserved-memory=0:memory=1Gi']")), FACTS
        ),
    ],
    ids=["CPUs", "memory", "policy", "reserved CPUs", "reserved memory", "flag"],
)
def test_another_machine_or_policy_drops_the_managers_states(before: Identity) -> None:
    assert identity.stale(recorded(before), NOW, {}) == identity.MANAGERS


@pytest.mark.parametrize("record", [None, "", "{", "[]"])
def test_without_a_record_only_another_policy_s_state_goes(record: str | None) -> None:
    assert identity.stale(record, NOW, {CPUS: state("static"), MEMORY: state("None")}) == (CPUS,)
    assert identity.stale(record, NOW, {CPUS: state("none"), MEMORY: state("Static")}) == (MEMORY,)
    assert identity.stale(record, NOW, {CPUS: "{", MEMORY: None}) == ()
