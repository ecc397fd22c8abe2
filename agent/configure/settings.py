"""The settings of a node: one table of every key that has an effect, and the reading of documents by it.

Names are those of Bottlerocket's TOML; the dataclasses are the table.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Any

from agent.configure import consistency, field_conflicts, kubelet_fields, rules, schema
from agent.configure.kubernetes import Kubernetes
from agent.configure.merging import Document, merge
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
from agent.model import Verdict

USER_DATA = "user data"
_CURE = "; send Bottlerocket TOML ([settings.kubernetes] …) or a NodeConfig"


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
            Entries(rules.variable, "variables", "/etc/node-agent/environment", secret=True),
            rules.unit_name,
            "variables of a service; those of `default` are for containerd, kubelet and each service named here",
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
    sources: Mapping[schema.Path, str] = field(default_factory=dict, compare=False)

    def sourced(self, remarks: Iterable[Verdict]) -> Iterator[Verdict]:
        """Give remarks on settings with the document that each setting, or the table around it, comes from."""
        known = {schema.dotted(path): source for path, source in self.sources.items()}
        for remark in remarks:
            above = accumulate(remark.path.split("."), "{}.{}".format)
            found = [known[path] for path in above if path in known] if remark.source == USER_DATA else []
            yield replace(remark, source=found[-1]) if found else remark


def check(documents: Sequence[Document]) -> Checked:
    """Merge documents in their order, then validate what came of it."""
    usable = any(document.settings for document in documents)
    found = [verdict for document in documents for verdict in _said(document, usable=usable)]
    merged = merge(documents)
    reading = schema.read(Settings, merged.settings, merged.sources)
    if reading.value is None or any(verdict.level == "error" for verdict in found):
        return Checked(None, reading.accepted, (*found, *_causes(reading.verdicts, found)))
    value = reading.value
    config, lost = field_conflicts.settled(value.kubelet.config, value.kubernetes, merged.sources)
    kubernetes, gave_way = consistency.settled(value.kubernetes, config, merged.sources)
    accepted = {**reading.accepted, "kubernetes": consistency.accepted(reading.accepted["kubernetes"], gave_way)}
    odd = (*lost.values(), *gave_way.values(), *kubelet_fields.remarks(config, merged.sources))
    settled = replace(value, kubernetes=kubernetes, kubelet=replace(value.kubelet, config=config))
    return Checked(
        settled, field_conflicts.shown(accepted, config, lost), (*found, *reading.verdicts, *odd), merged.sources
    )


def _said(document: Document, *, usable: bool) -> Iterator[Verdict]:
    """Give what is to say of a document; what is not run is an error where nothing else configures the node."""
    if document.problem is not None:
        yield document.problem
    if document.unread:
        level, cure = ("warning", "") if usable else ("error", _CURE)
        yield Verdict("", level, f"{document.unread}, which is not run{cure}", document.source)
    yield from document.remarks


def _causes(verdicts: Sequence[Verdict], found: Sequence[Verdict]) -> Iterator[Verdict]:
    """Leave out keys that may be missing only because their document cannot be read: one error is enough."""
    unreadable = any(verdict.level == "error" for verdict in found)
    return (verdict for verdict in verdicts if not (unreadable and verdict.message.startswith("missing")))
