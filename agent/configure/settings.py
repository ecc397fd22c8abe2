"""The settings of a node: one table of every key that has an effect, and the reading of documents by it.

Names are those of Bottlerocket's TOML; the dataclasses are the table.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent.configure import rules, schema
from agent.configure.kubernetes import Kubernetes
from agent.configure.schema import Entries, Named, Section, Unused, key
from agent.configure.tables import (
    Aws,
    BootstrapCommand,
    Bundle,
    Console,
    Containerd,
    ContainerRegistry,
    ContainerRuntime,
    Dns,
    Kernel,
    Kubelet,
    LocalStorage,
    NetworkTable,
    Ntp,
)
from agent.configure.userdata import Document, merge
from agent.model import Verdict

# A document of a megabyte may hold thousands of bad keys; nobody reads them all, and a status file has its limit.
_MOST_VERDICTS = 100


@dataclass(frozen=True, slots=True)
class Settings:
    """[settings]."""

    kubernetes: Kubernetes = key(Section(Kubernetes))
    network: NetworkTable = key(Section(NetworkTable))
    pki: Mapping[str, Bundle] = key(Named(Section(Bundle), rules.identifier, "certificate bundles"))
    dns: Dns = key(Section(Dns))
    ntp: Ntp = key(Section(Ntp))
    aws: Aws = key(Section(Aws))
    container_registry: ContainerRegistry = key(Section(ContainerRegistry))
    container_runtime: ContainerRuntime = key(Section(ContainerRuntime))
    kernel: Kernel = key(Section(Kernel))
    bootstrap_commands: Mapping[str, BootstrapCommand] = key(
        Named(Section(BootstrapCommand), rules.identifier, "what Karpenter sends for the instance store")
    )
    kubelet: Kubelet = key(Section(Kubelet))
    containerd: Containerd = key(Section(Containerd))
    environment: Mapping[str, Mapping[str, str]] = key(
        Named(
            Entries(rules.variable, "variables", "a drop-in of the service", secret=True),
            rules.unit_name,
            "variables of a service; those of `default` are for every one",
        )
    )
    local_storage: LocalStorage = key(Section(LocalStorage))
    console: Console = key(Section(Console))
    autoscaling: None = key(Unused("waiting for a warm pool"))
    boot: None = key(Unused("the kernel's command line"))
    bootstrap_containers: None = key(Unused("containers before kubelet; this image runs none"))
    cloudformation: None = key(Unused("signals to CloudFormation"))
    container_runtime_plugins: None = key(Unused("plug-ins of containerd"))
    ecs: None = key(Unused("Amazon ECS"))
    host_containers: None = key(Unused("containers of the host; this image runs none"))
    metrics: None = key(Unused("metrics to Bottlerocket's makers"))
    motd: None = key(Unused("the message at login; nobody logs in"))
    nvidia_container_runtime: None = key(Unused("NVIDIA's container runtime"))
    oci_defaults: None = key(Unused("defaults of the OCI specification; see containerd.base-runtime-spec"))
    oci_hooks: None = key(Unused("OCI hooks"))
    updates: None = key(Unused("updates in place; a node is replaced instead"))


@dataclass(frozen=True, slots=True)
class Checked:
    """What documents came to: the settings unless a verdict is an error, and what was accepted, as it was written."""

    settings: Settings | None
    accepted: Mapping[str, Any]
    verdicts: tuple[Verdict, ...]


def check(documents: Sequence[Document]) -> Checked:
    """Merge documents in their order, then validate what came of it."""
    problems = tuple(document.problem for document in documents if document.problem is not None)
    merged = merge(documents)
    reading = schema.read(Settings, merged.settings, merged.sources)
    if not problems:
        return Checked(reading.value, reading.accepted, _errors_first(reading.verdicts))
    # A key may be missing only because its document could not be read: one error is enough.
    others = tuple(verdict for verdict in reading.verdicts if not verdict.message.startswith("missing"))
    return Checked(None, reading.accepted, _errors_first(problems + others))


def _errors_first(verdicts: tuple[Verdict, ...]) -> tuple[Verdict, ...]:
    ordered = sorted(verdicts, key=lambda verdict: verdict.level != "error")
    left = len(ordered) - _MOST_VERDICTS
    if left <= 0:
        return tuple(ordered)
    return (*ordered[:_MOST_VERDICTS], Verdict("", "warning", f"and {left} more", "user data"))
