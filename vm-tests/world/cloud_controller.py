"""The cloud node controller: tells Kubernetes what EC2 knows of a new node, and lifts its taint."""

from __future__ import annotations

from world.facts import REGION
from world.inventory import Instance, Inventory
from world.kubeapi import Api, Object
from world.reconciler import RefusalError

NODES = "/api/v1/nodes"
# https://kubernetes.io/docs/reference/labels-annotations-taints/#node-cloudprovider-kubernetes-io-uninitialized
UNINITIALIZED = "node.cloudprovider.kubernetes.io/uninitialized"


class CloudController:
    """Initializes each node once, as the cloud controller manager does."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory

    def reconcile(self, api: Api, node: Object) -> None:
        if UNINITIALIZED not in {taint["key"] for taint in _taints(node)}:
            return
        instance = self._instance(node)
        path = f"{NODES}/{instance.instance_id}"
        current = api.patch(f"{path}/status", {"status": {"addresses": _addresses(instance)}})
        kept = [taint for taint in _taints(current) if taint["key"] != UNINITIALIZED]
        # With the version, so that a taint which another controller sets at this moment is not lost.
        version = current["metadata"]["resourceVersion"]
        metadata = {"resourceVersion": version, "labels": _labels(instance)}
        api.patch(path, {"metadata": metadata, "spec": {"providerID": instance.provider_id, "taints": kept}})

    def _instance(self, node: Object) -> Instance:
        instance = self._inventory.find(node["metadata"]["name"])
        if instance is None:
            raise RefusalError("no instance of this ID runs here")
        claimed = node["spec"].get("providerID", instance.provider_id)
        if claimed != instance.provider_id:
            raise RefusalError(f"its provider ID is {claimed}, and EC2 says {instance.provider_id}")
        return instance


def _taints(node: Object) -> list[dict[str, str]]:
    taints: list[dict[str, str]] = node["spec"].get("taints", [])
    return taints


def _addresses(instance: Instance) -> list[dict[str, str]]:
    internal = [{"type": "InternalIP", "address": address} for address in instance.addresses]
    names = [{"type": kind, "address": instance.private_dns_name} for kind in ("InternalDNS", "Hostname")]
    return [*internal, *names]


def _labels(instance: Instance) -> dict[str, str]:
    return {
        "topology.kubernetes.io/region": REGION,
        "topology.kubernetes.io/zone": instance.zone,
        "node.kubernetes.io/instance-type": instance.instance_type,
    }
