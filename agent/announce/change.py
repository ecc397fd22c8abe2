"""What is to be announced: a condition of the Node where it says something else by now, and an Event of what changed.

Only what the doctor is sure of: a node that is still on its way says nothing.
"""

import hashlib
import json
import re
from dataclasses import dataclass, replace
from typing import Any

from agent.doctor.report import CONDITION, Announced, Report, as_line

# What the API server takes of an Event's message.
_MESSAGE_BYTES = 1024
_HEALTHY = "Healthy"
_WITHOUT_EVENT = " (no Event of this could be made yet)"
# Of a digest, as many as Kubernetes' own Events have after their object's name.
_DIGITS = 16
_FIGURES = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Change:
    """What a Node shall say now, and what it said before."""

    node: str
    status: str
    reason: str
    message: str
    before: Announced
    after_trouble: bool

    @property
    def is_said(self) -> bool:
        """Whether the Node says so already."""
        same = (self.before.status, self.before.reason) == (self.status, self.reason)
        return same and _gist(self.before.message) == _gist(self.message)

    @property
    def is_news(self) -> bool:
        """Whether more than words differ, or there is no Event of it yet; a node that was always well is no news."""
        if self.before.message.endswith(_WITHOUT_EVENT):
            return True
        if self.before.status == self.status:
            return self.before.reason != self.reason
        return bool(self.before.status) or self.status == "False" or self.after_trouble


def wanted(report: Report, node: str) -> Change | None:
    """Return what is to be announced of the node, or None where there is nothing, or the Node was not seen."""
    before = report.announced
    if before is None or not (report.healthy or report.failed):
        return None
    headline = report.headline
    reason = _HEALTHY if headline is None else _reason(headline.id)
    message = as_line(report).encode()[:_MESSAGE_BYTES].decode(errors="ignore")
    status = "True" if headline is None else "False"
    change = Change(node, status, reason, message, before, after_trouble=report.trouble is not None)
    return None if change.is_said else change


def without_event(change: Change) -> Change:
    """Return the change as the Node says it while its Event is refused: so the next look sees what is still to do."""
    return replace(change, message=change.message + _WITHOUT_EVENT)


def _gist(message: str) -> str:
    """Return a message without its figures: free space and counts move, and a patch of a Node goes to all watchers."""
    return _FIGURES.sub("", message)


def _reason(check: str) -> str:
    """Return a check's id as conditions name reasons: `user-data` is UserDataFailed."""
    return "".join(word.capitalize() for word in check.split("-")) + "Failed"


def patch(change: Change, now: str) -> dict[str, Any]:
    """Return the strategic merge patch of the Node's status; conditions of others stay as they are."""
    since = change.before.since if change.before.status == change.status else now
    condition = {
        "type": CONDITION,
        "status": change.status,
        "reason": change.reason,
        "message": change.message,
        "lastHeartbeatTime": now,
        "lastTransitionTime": since or now,
    }
    return {"status": {"conditions": [condition]}}


def event(change: Change, now: str) -> dict[str, Any]:
    """Return an Event of the Node; as the Node has no namespace, it lives in `default`.

    Its name is that of the change: where the Node cannot be patched the same change is seen again, and the API server
    refuses a second Event of the name.
    """
    before = change.before
    told = (before.uid, before.status, before.reason, before.since, before.heartbeat, change.status, change.reason)
    digest = hashlib.sha256(json.dumps(told).encode()).hexdigest()[:_DIGITS]
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{change.node}.{digest}", "namespace": "default"},
        "involvedObject": {"apiVersion": "v1", "kind": "Node", "name": change.node, "uid": change.before.uid},
        "reason": change.reason,
        "message": change.message,
        "type": "Normal" if change.status == "True" else "Warning",
        "source": {"component": "node-doctor", "host": change.node},
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }
