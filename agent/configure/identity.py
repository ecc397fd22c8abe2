"""Whose state the data volume holds: what another instance or other settings left there must not be used again."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from agent.configure import flags, kubelet
from agent.configure.facts import Facts
from agent.configure.settings import Settings
from agent.model import FileSpec

RECORD = "/var/lib/node-agent/identity.json"
_STATE = "/var/lib/kubelet"
_CPUS = f"{_STATE}/cpu_manager_state"
_MEMORY = f"{_STATE}/memory_manager_state"
MANAGERS = (_CPUS, _MEMORY)
# What kubelet made for the instance that it ran on; images and their layers are as good for another one.
_DERIVED = (
    f"{_STATE}/actuated_pods_state",
    f"{_STATE}/allocated_pods_state",
    f"{_STATE}/checkpoints",
    *MANAGERS,
    f"{_STATE}/device-plugins",
    f"{_STATE}/dra_manager_state",
    f"{_STATE}/pki",
    f"{_STATE}/plugins",
    f"{_STATE}/plugins_registry",
    f"{_STATE}/pod_status_manager_state",
    f"{_STATE}/pods",
)
# kubelet compares its managers' state with these at its start, and exits where they differ.
_POLICY = {
    "cpuManagerPolicy": "none",
    "cpuManagerPolicyOptions": None,
    "evictionHard": None,
    "kubeReserved": None,
    "memoryManagerPolicy": "None",
    "reservedMemory": None,
    "reservedSystemCPUs": None,
    "systemReserved": None,
}
_POLICY_FLAGS = ("cpu-manager", "eviction-hard", "kube-reserved", "memory-manager", "reserved-", "system-reserved")


@dataclass(frozen=True, slots=True)
class Identity:
    """The instance and the machine that kubelet's state is of, and by which policy it gives resources out."""

    instance_id: str
    cpus: int
    memory_mib: int
    policy: Mapping[str, Any]
    policy_flags: tuple[str, ...]


def identity(settings: Settings, facts: Facts) -> Identity:
    config = {**settings.kubelet.config, **kubelet.config(settings, facts)}
    policy = {name: config.get(name, default) for name, default in _POLICY.items()}
    named = (flag for flag in flags.passed_on(settings) if flag.lstrip("-").startswith(_POLICY_FLAGS))
    return Identity(facts.instance.instance_id, facts.cpus, facts.memory_mib, policy, tuple(named))


def record(found: Identity) -> FileSpec:
    body = {"schemaVersion": 1, **asdict(found)}
    return FileSpec(RECORD, (json.dumps(body, indent=2, sort_keys=True) + "\n").encode(), 0o600)


def stale(recorded: str | None, now: Identity, states: Mapping[str, str | None]) -> tuple[str, ...]:
    """Return the paths of what must go before kubelet starts, by the record and the managers' state files.

    Without a record nothing is known of who was here, and only a state of another policy goes.
    """
    before = _parsed(recorded)
    if before.get("instance_id", now.instance_id) != now.instance_id:
        return _DERIVED
    # As the record holds it: without tuples.
    wanted = json.loads(record(now).content)
    if before and before != wanted:
        return MANAGERS
    return tuple(_of_other_policy(now, states))


def _of_other_policy(now: Identity, states: Mapping[str, str | None]) -> Iterator[str]:
    for path, field in ((_CPUS, "cpuManagerPolicy"), (_MEMORY, "memoryManagerPolicy")):
        policy = _parsed(states.get(path)).get("policyName")
        if policy is not None and policy != now.policy[field] and not now.policy_flags:
            yield path


def _parsed(text: str | None) -> Mapping[str, Any]:
    try:
        body = json.loads(text or "{}")
    except ValueError:  # cut off, or somebody wrote to it: as good as none
        return {}
    return body if isinstance(body, dict) else {}
