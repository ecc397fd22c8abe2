"""Pods as a person runs them: placed on a node by name, asked for their state, deleted."""

from __future__ import annotations

import contextlib
import http.client
import json
from typing import Any

from world import World, namespaces, oci
from world.node import Node
from world.waiting import until

# The second comes next, and repeats the words of the first with a waiting time.
PULL_FAILED = {"ErrImagePull", "ImagePullBackOff"}
TOKENLESS = {"automountServiceAccountToken": False, "enableServiceLinks": False, "terminationGracePeriodSeconds": 0}


def run(world: World, node: Node, name: str, image: str) -> None:
    """Create a pod of one container."""
    container = {"name": "main", "image": image, "imagePullPolicy": "Always"}
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"nodeName": node.instance_id, "containers": [container], **TOKENLESS},
    }
    world.kubectl("create", "-f", "-", stdin=json.dumps(body))


def delete(world: World, name: str) -> None:
    world.kubectl("delete", "pod", name, "--ignore-not-found", "--grace-period=0", "--force")


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


def _address(world: World, name: str) -> str | None:
    status = _status(world, name)
    ready = [each for each in status.get("containerStatuses", []) if "running" in each["state"]]
    return status.get("podIP") if ready else None


def _refusal(world: World, name: str) -> str | None:
    waiting = [each["state"].get("waiting", {}) for each in _status(world, name).get("containerStatuses", [])]
    return next((each["message"] for each in waiting if each.get("reason") in PULL_FAILED), None)


def _status(world: World, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(world.kubectl("get", "pod", name, "-o", "json"))["status"]
    return found
