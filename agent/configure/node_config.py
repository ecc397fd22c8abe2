"""NodeConfig (node.eks.aws), which nodeadm reads and EC2 launch templates and Karpenter send for Amazon Linux."""

from collections.abc import Mapping

from agent.configure.mapping import Field
from agent.configure.schema import RefusedError
from agent.configure.texts import UnreadableError, read_toml

GROUP = "node.eks.aws"
KIND = "NodeConfig"


def _toml(raw: object) -> Mapping[str, object]:
    if not isinstance(raw, str):
        raise RefusedError("TOML text")
    try:
        return read_toml(raw)
    except UnreadableError as error:
        raise RefusedError(f"TOML text ({error})") from error


def _instance_id(_enabled: object) -> str:
    return "instance-id"


FIELDS: Mapping[str, Field] = {
    "cluster.name": Field(("kubernetes", "cluster-name")),
    "cluster.apiServerEndpoint": Field(("kubernetes", "api-server")),
    "cluster.certificateAuthority": Field(("kubernetes", "cluster-certificate")),
    "cluster.cidr": Field(("kubernetes", "service-cidr")),
    "cluster.enableOutpost": Field(None, "local clusters on Outposts"),
    "cluster.id": Field(None, "local clusters on Outposts"),
    "containerd.config": Field(("containerd", "config"), convert=_toml),
    "containerd.baseRuntimeSpec": Field(("containerd", "base-runtime-spec")),
    "instance.localStorage.strategy": Field(("local-storage", "strategy")),
    "instance.localStorage.mountPath": Field(("local-storage", "mount-path")),
    "instance.localStorage.disabledMounts": Field(("local-storage", "disabled-mounts")),
    "instance.environment": Field(("environment",)),
    "instance.network.nameservers": Field(("dns", "name-servers")),
    "instance.network.domains": Field(("dns", "search-list")),
    "kubelet.config": Field(("kubelet", "config")),
    "kubelet.flags": Field(("kubelet", "flags")),
    "kubelet.maxPodsExpression": Field(None, "max-pods says it without a table of instance types"),
    "featureGates.InstanceIdNodeName": Field(
        ("kubernetes", "hostname-override-source"), "is what this node does anyway", _instance_id
    ),
    "featureGates.FastImagePull": Field(None, "the image has no such snapshotter"),
}
