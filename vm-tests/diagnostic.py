"""NodeDiagnostic objects as an operator uses them: made with kubectl, watched, and the bundle opened."""

import io
import json
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from world import World
from world.waiting import until

COMPONENT = "eks-auto:node-diagnostics"
Completed = dict[str, Any]


@dataclass(frozen=True)
class Bundle:
    """What arrived in S3."""

    size: int
    names: Sequence[str]
    manifest: dict[str, Any]

    @property
    def failed(self) -> list[str]:
        """The outputs that should be there and are not."""
        return [row["path"] for row in self.manifest["outputs"] if row["status"] in {"failed", "timeout"}]


def request_logs(world: World, name: str, url: str, *, categories: Sequence[str] = ("Base", "System")) -> int:
    """Apply a NodeDiagnostic for a node and return its generation."""
    return apply(world, name, {"logCapture": {"destination": url, "categories": list(categories)}})


def apply(world: World, name: str, spec: dict[str, Any]) -> int:
    """Apply a NodeDiagnostic for a node and return its generation."""
    body = {
        "apiVersion": "eks.amazonaws.com/v1alpha1",
        "kind": "NodeDiagnostic",
        "metadata": {"name": name},
        "spec": spec,
    }
    applied = world.kubectl("apply", "--server-side", "-o", "json", "-f", "-", stdin=json.dumps(body))
    return int(json.loads(applied)["metadata"]["generation"])


def status_of(world: World, name: str, *, kind: str = "Log") -> dict[str, Any]:
    """Return the state of a capture: `running` or `completed`, else empty."""
    text = world.kubectl("get", "nodediagnostic", name, "-o", "json", "--ignore-not-found")
    statuses = json.loads(text).get("status", {}).get("captureStatuses", []) if text else []
    return next((entry["state"] for entry in statuses if entry["type"] == kind), {})


def wait_completed(world: World, name: str, generation: int, *, timeout: float = 300.0, kind: str = "Log") -> Completed:
    """Wait until the capture of this generation has ended, and return how."""

    def completed() -> Completed | None:
        found: Completed | None = status_of(world, name, kind=kind).get("completed")
        return found if found and found.get("observedGeneration") == generation else None

    return until(completed, timeout, f"the {kind} capture of {name}, generation {generation}")


def delete(world: World, name: str) -> None:
    world.kubectl("delete", "nodediagnostic", name, "--ignore-not-found")


def open_bundle(content: bytes) -> Bundle:
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
        names = archive.getnames()
        member = archive.extractfile("manifest.json")
        assert member is not None
        return Bundle(len(content), names, json.load(member))


def audit_users(world: World) -> set[str]:
    """Return the users that were impersonated for requests about NodeDiagnostic objects."""
    return {
        event["impersonatedUser"]["username"]
        for event in world.audit_events()
        if "impersonatedUser" in event and event.get("objectRef", {}).get("resource") == "nodediagnostics"
    }
