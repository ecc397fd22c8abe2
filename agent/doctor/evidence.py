"""What the doctor's probes saw, as frozen values: the input of every verdict.

A field is the value, a `Trouble` where the probe failed, or None where nobody asked.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from agent.model import Verdict


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a probe gave no value: `kind` is what a verdict goes by, `message` and `hint` are for people."""

    kind: str
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Metadata:
    """What instance metadata says of the instance."""

    instance_id: str
    availability_zone: str


@dataclass(frozen=True, slots=True)
class Role:
    """The instance role's credentials, without the secrets."""

    expires: datetime


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The API server as kubelet's kubeconfig names it."""

    host: str
    port: int
    cluster: str
    node_name: str


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the API server takes the node for (SelfSubjectReview)."""

    user: str
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Node:
    """The Node object: its Ready condition and its taints' keys."""

    ready: str
    reason: str = ""
    message: str = ""
    taints: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unit:
    """The state of a systemd unit, as `systemctl show` names it; `last_words` is the end of its journal.

    `job` names what systemd is about to do with it, such as starting it once what it waits for has started.
    """

    name: str
    load: str
    active: str
    sub: str
    result: str = ""
    restarts: str = "0"
    exit_status: str = "0"
    job: str = ""
    last_words: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """The status file of a daemon; `action` is what it would have a person do."""

    state: str
    message: str
    action: str = ""


@dataclass(frozen=True, slots=True)
class Configured:
    """The status file of configure: what became of the user data."""

    state: str
    message: str
    verdicts: tuple[Verdict, ...] = ()


Probed: TypeAlias = Trouble | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that one run of the doctor saw."""

    now: datetime
    statuses: Mapping[str, Status] = field(default_factory=dict)
    configured: Configured | None = None
    metadata: Metadata | Probed = None
    clock_ahead: timedelta | None = None
    role: Role | Probed = None
    endpoint: Endpoint | Probed = None
    addresses: tuple[str, ...] | Probed = None
    connection: str | Probed = None
    tls: str | Probed = None
    identity: Identity | Probed = None
    node: Node | Probed = None
    units: Mapping[str, Unit] = field(default_factory=dict)
    failed_units: tuple[str, ...] | Probed = None


def published(files: Mapping[str, Mapping[str, Any]], now: datetime) -> Evidence:
    """Return the evidence that the daemons' status files are, by daemon."""
    return Evidence(now, parse_statuses(files), parse_configured(files.get("configure")))


def parse_statuses(files: Mapping[str, Mapping[str, Any]]) -> dict[str, Status]:
    """Read the status files of every daemon, by name."""
    fields = ("state", "message", "action")
    return {name: Status(*(str(body.get(key, "")) for key in fields)) for name, body in files.items()}


def parse_configured(status: Mapping[str, Any] | None) -> Configured | None:
    """Read the status file of configure; what does not look like a verdict is left out."""
    if status is None:
        return None
    verdicts = status.get("verdicts")
    listed = verdicts if isinstance(verdicts, list) else []
    return Configured(
        state=str(status.get("state", "")),
        message=str(status.get("message", "")),
        verdicts=tuple(_parse_verdict(item) for item in listed if isinstance(item, dict)),
    )


def _parse_verdict(item: Mapping[str, Any]) -> Verdict:
    return Verdict(*(str(item.get(name, "")) for name in ("path", "level", "message", "source")))


def parse_identity(review: Mapping[str, Any]) -> Identity:
    """Read a SelfSubjectReview."""
    user = _mapping(_mapping(review, "status"), "userInfo")
    groups = user.get("groups")
    return Identity(str(user.get("username", "")), tuple(map(str, groups)) if isinstance(groups, list) else ())


def parse_node(body: Mapping[str, Any]) -> Node:
    """Read a Node object."""
    conditions = _mappings(_mapping(body, "status").get("conditions"))
    ready = next((condition for condition in conditions if condition.get("type") == "Ready"), {})
    taints = _mappings(_mapping(body, "spec").get("taints"))
    return Node(
        ready=str(ready.get("status", "Unknown")),
        reason=str(ready.get("reason", "")),
        message=str(ready.get("message", "")),
        taints=tuple(str(taint.get("key", "")) for taint in taints),
    )


def parse_unit(name: str, properties: Mapping[str, str], last_words: str = "") -> Unit:
    """Read the properties that systemd gives of a unit."""
    return Unit(
        name=name,
        load=properties.get("LoadState", ""),
        active=properties.get("ActiveState", ""),
        sub=properties.get("SubState", ""),
        result=properties.get("Result", ""),
        restarts=properties.get("NRestarts", "0"),
        exit_status=properties.get("ExecMainStatus", "0"),
        job=properties.get("Job", ""),
        last_words=last_words,
    )


def _mapping(body: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = body.get(key)
    return value if isinstance(value, dict) else {}


def _mappings(value: object) -> tuple[Mapping[str, Any], ...]:
    return tuple(item for item in value if isinstance(item, dict)) if isinstance(value, list) else ()
