"""The NodeDiagnostic objects that the plug-in makes, and what it reads of any other; pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from agent.diagnostics.api import COLLECTION, GROUP, KIND, VERSION

PROGRAM = "kubectl-node-diagnostic"
MANAGED_BY = "app.kubernetes.io/managed-by"
RUN = f"{PROGRAM}/run"
BUNDLE = f"{PROGRAM}/bundle"
NODES = "/api/v1/nodes"
ON_NODE = "node"
# The name of an object is a DNS subdomain: nothing else may become part of a path.
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_CUT_BYTES = 1024
_DETAIL = re.compile(r"; (bytes|sha256)=([0-9a-f]+)(?=;|$)")


@dataclass(frozen=True, slots=True)
class Capture:
    """What the status says of a log capture; `reason` is empty while it runs."""

    reason: str
    message: str
    generation: int | None

    @property
    def failed(self) -> bool:
        return self.reason == "Failure"

    @property
    def size(self) -> int | None:
        """The bundle's size in bytes, where the agent says it (the peer's does not)."""
        found = self._details.get("bytes", "")
        return int(found) if found.isdecimal() and len(found) < 16 else None

    @property
    def sha256(self) -> str:
        return self._details.get("sha256", "")

    @property
    def _details(self) -> dict[str, str]:
        # The agent cuts its messages at 1 KiB, within a character of four bytes: the last detail may be half a one.
        whole = len(self.message.encode()) <= _CUT_BYTES - 4
        return dict(_DETAIL.findall(self.message if whole else self.message.rpartition(";")[0]))


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """An object as it stands; `run` is the run of the plug-in that made it, empty for anybody else's."""

    name: str
    uid: str
    version: str
    generation: int
    created_at: str
    run: str
    bundle: str
    maker: str
    capture: Capture | None

    def same(self, other: "Diagnostic") -> bool:
        """Whether both are one object with one spec."""
        return (self.uid, self.generation) == (other.uid, other.generation)

    @property
    def ended(self) -> Capture | None:
        """How the capture of this very spec ended, None before."""
        capture = self.capture
        if capture is None or not capture.reason:
            return None
        # The peer's agent does not say for which generation a log capture is.
        return capture if capture.generation in {None, self.generation} else None


def body(name: str, *, destination: str, bundle: str, categories: Sequence[str], run: str) -> dict[str, Any]:
    """Return the object that asks a node for a bundle; the destination is a secret where it is a pre-signed URL."""
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": KIND,
        "metadata": {
            "name": name,
            "labels": {MANAGED_BY: PROGRAM, RUN: run},
            "annotations": {BUNDLE: bundle},
        },
        "spec": {"logCapture": {"destination": destination, "categories": list(categories)}},
    }


def parse(found: Mapping[str, Any]) -> Diagnostic:
    """Parse an object that the API server sent."""
    metadata = found["metadata"]
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    ours = labels.get(MANAGED_BY) == PROGRAM
    fields = metadata.get("managedFields") or [{}]
    return Diagnostic(
        name=str(metadata["name"]),
        uid=str(metadata["uid"]),
        version=str(metadata["resourceVersion"]),
        generation=int(metadata["generation"]),
        created_at=str(metadata.get("creationTimestamp", "")),
        run=str(labels.get(RUN, "")) if ours else "",
        bundle=str(annotations.get(BUNDLE, "")) if ours else "",
        maker=str(fields[0].get("manager", "")),
        capture=_capture(found.get("status") or {}),
    )


def in_the_way(found: Diagnostic) -> tuple[str, str]:
    """Say whose object is in the way of ours, and what to do about it."""
    ended = found.ended
    state = f"ended with {ended.reason}" if ended else "has not ended"
    maker = f"run {found.run} of this plug-in" if found.run else found.maker or "somebody"
    return (
        f"there is a NodeDiagnostic {found.name} already, made by {maker} at {found.created_at}; its capture {state}",
        f"wait for it, or delete it if nobody needs it: kubectl delete nodediagnostic {found.name}",
    )


def is_name(text: str) -> bool:
    """Whether a node can have this name."""
    return _NAME.fullmatch(text) is not None


def path(name: str) -> str:
    return f"{COLLECTION}/{name}"


def watch_path(diagnostic: Diagnostic, seconds: int) -> str:
    """Return where changes of one object after its version are told."""
    query = {
        "watch": "true",
        "fieldSelector": f"metadata.name={diagnostic.name}",
        "resourceVersion": diagnostic.version,
        "timeoutSeconds": str(seconds),
    }
    return f"{COLLECTION}?{urlencode(query)}"


def ours_path() -> str:
    """Return where the objects that the plug-in made are listed."""
    return f"{COLLECTION}?{urlencode({'labelSelector': f'{MANAGED_BY}={PROGRAM}'})}"


def log_path(node: str) -> str:
    """Return where the API server hands out the bundle that a node kept; `kubectl get --raw` takes it as well."""
    return f"{NODES}/{node}/proxy/logs/support/{node}-logs.tar.gz"


def precondition(diagnostic: Diagnostic) -> dict[str, Any]:
    """Return the options of a deletion that takes this object and none made after it."""
    return {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": diagnostic.uid}}


def _capture(status: Mapping[str, Any]) -> Capture | None:
    for entry in status.get("captureStatuses") or ():
        if entry.get("type") == "Log":
            state = entry.get("state") or {}
            said = state.get("completed") or state.get("running") or {}
            generation = said.get("observedGeneration")
            return Capture(str(said.get("reason", "")), str(said.get("message", "")), generation)
    return None
