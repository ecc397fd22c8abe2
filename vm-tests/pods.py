"""Pods as a person runs them: placed on a node by name, asked for their state, deleted."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Mapping
from typing import Any

from world import World, namespaces, oci
from world.node import Node
from world.waiting import until

# The second comes next, and repeats the words of the first with a waiting time.
PULL_FAILED = {"ErrImagePull", "ImagePullBackOff"}
NOWHERE = "registry.invalid/nowhere:1"
TOKENLESS = {"automountServiceAccountToken": False, "enableServiceLinks": False, "terminationGracePeriodSeconds": 0}
DEFAULT = "default"


def run(world: World, node: Node, name: str, image: str) -> None:
    """Create a pod of one container."""
    _create(world, node, name, DEFAULT, {"image": image, "imagePullPolicy": "Always"})


def place(world: World, node: Node, name: str, namespace: str) -> str:
    """Create a pod whose image is nowhere, wait until kubelet has it, and return the folder of its logs on the node.

    Once a minute kubelet removes the logs of pods that it does not have.
    """
    _create(world, node, name, namespace, {"image": NOWHERE, "imagePullPolicy": "Never"}, hostNetwork=True)
    until(lambda: _waiting(world, name, namespace), 300.0, f"kubelet has pod {name}", interval=1.0)
    uid = _get(world, name, namespace)["metadata"]["uid"]
    return f"/var/log/pods/{namespace}_{name}_{uid}"


def delete(world: World, name: str, namespace: str = DEFAULT) -> None:
    selected = ("--namespace", namespace, "pod", name)
    world.kubectl("delete", *selected, "--ignore-not-found", "--grace-period=0", "--force")


def wait_running(world: World, name: str, timeout: float = 300.0) -> str:
    """Wait until its container runs, and return its address."""
    return until(lambda: _address(world, name), timeout, f"pod {name} runs", interval=1.0)


def wait_refusal(world: World, name: str, timeout: float = 300.0) -> str:
    """Wait until the image could not be pulled, and return why: kubelet's own words."""
    return until(lambda: _refusal(world, name), timeout, f"the image of pod {name} is refused", interval=1.0)


def fetch(world: World, address: str) -> bytes:
    """Return the page that the world's image serves, asked for by a machine of the VPC."""
    connection = http.client.HTTPConnection(address, oci.WEB_PORT, timeout=10)
    with namespaces.entered(world.cluster.site.netns), contextlib.closing(connection):
        connection.request("GET", "/")
        return connection.getresponse().read()


def _create(world: World, node: Node, name: str, namespace: str, container: Mapping[str, str], **more: bool) -> None:
    spec = {"nodeName": node.instance_id, "containers": [{"name": "main", **container}], **TOKENLESS, **more}
    metadata = {"name": name, "namespace": namespace}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    world.kubectl("create", "-f", "-", stdin=json.dumps(body))


def _address(world: World, name: str) -> str | None:
    status = _get(world, name, DEFAULT)["status"]
    ready = [each for each in status.get("containerStatuses", []) if "running" in each["state"]]
    return status.get("podIP") if ready else None


def _refusal(world: World, name: str) -> str | None:
    waiting = _waiting(world, name, DEFAULT)
    return next((each["message"] for each in waiting if each.get("reason") in PULL_FAILED), None)


def _waiting(world: World, name: str, namespace: str) -> list[dict[str, Any]]:
    """Return what its containers wait for, as kubelet says."""
    states = [each["state"] for each in _get(world, name, namespace)["status"].get("containerStatuses", [])]
    return [state["waiting"] for state in states if "waiting" in state]


def _get(world: World, name: str, namespace: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(world.kubectl("get", "--namespace", namespace, "pod", name, "-o", "json"))
    return found
