"""The doctor at work: gathers the evidence within its bounds, has it judged, and publishes the report."""

import contextlib
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from agent import clock
from agent.doctor import chain, evidence
from agent.doctor.evidence import Endpoint, Evidence, Identity, Metadata, Node, Role, Trouble, Unit
from agent.doctor.report import Report, as_json
from agent.errors import AgentError, FailedError, TemporaryError
from agent.host import eks, files, imds, journal, kube, probe, status, systemd
from agent.host.imds import Imds
from agent.host.kube import ApiError, Cluster, Kube
from agent.host.pool import Pool
from agent.model import FileSpec

REPORT = "/run/node-agent/doctor.json"
KUBECONFIG = "/etc/kubernetes/kubelet/kubeconfig"

T = TypeVar("T")

_WITHIN = 10.0
_IMDS_SECONDS = 2.0
_POOL = 4
_JOURNAL_SECONDS = 2.0
_LAST_WORDS = 200
_UNITS = ("containerd.service", "kubelet.service")
_PROPERTIES = ("LoadState", "ActiveState", "SubState", "Result", "NRestarts", "ExecMainStatus", "Job")
_REVIEWS = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
_REVIEW = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}


def examine(*, root: Path = Path("/"), imds_url: str | None = None) -> Report:
    """Look at everything, within 10 s, and publish the report where /run can be written."""
    report = chain.examine(_gather(root, imds_url))
    with contextlib.suppress(FailedError):  # who asked gets the report all the same
        files.write_file(FileSpec(REPORT, as_json(report).encode()), root=root)
    return report


@dataclass(frozen=True, slots=True)
class _Run:
    """One run of the doctor: where calls that may hang go, and until when it lasts."""

    pool: Pool
    deadline: float

    def result(self, future: Future[T], what: str) -> T | Trouble:
        try:
            return future.result(max(0.0, self.deadline - time.monotonic()))
        except TimeoutError:
            return Trouble("timeout", f"{what} did not answer in time")


@dataclass(frozen=True, slots=True)
class _Instance:
    """What instance metadata answered, and the client that asked."""

    imds: Imds
    metadata: Metadata | Trouble
    role: Role | Trouble
    clock_ahead: timedelta | None


@dataclass(frozen=True, slots=True)
class _Answers:
    """What the API server answered, and how far the node's clock is ahead of its."""

    identity: Identity | Trouble
    node: Node | Trouble | None = None
    clock_ahead: timedelta | None = None


@dataclass(frozen=True, slots=True)
class _Host:
    """What systemd answered."""

    units: dict[str, Unit]
    failed: tuple[str, ...] | Trouble


def _gather(root: Path, imds_url: str | None) -> Evidence:
    run = _Run(Pool(_POOL), time.monotonic() + _WITHIN)
    asked_host = run.pool.start(_ask_systemd)
    asked_instance = run.pool.start(lambda: _attempt(partial(_ask_imds, imds_url)))
    cluster = _attempt(partial(_read_cluster, root))
    seen = evidence.published(status.read_all(root=root), datetime.now(UTC))
    seen = _reach(seen, cluster, run)
    instance = run.result(asked_instance, "instance metadata")
    if isinstance(instance, _Instance):
        seen = replace(seen, metadata=instance.metadata, clock_ahead=instance.clock_ahead, role=instance.role)
        seen = _authenticate(seen, cluster, instance, run)
    else:
        seen = replace(seen, metadata=instance)
    host = run.result(asked_host, "systemd")
    if isinstance(host, Trouble):
        return replace(seen, failed_units=host)
    return replace(seen, units=host.units, failed_units=host.failed)


def _attempt(call: Callable[[], T]) -> T | Trouble:
    """Call, and return what it gives or why it does not: for the doctor a failure is evidence."""
    try:
        return call()
    except AgentError as error:
        return Trouble(_kind(error), error.message, error.hint)


def _kind(error: AgentError) -> str:
    if isinstance(error, probe.ProbeError):
        return error.kind
    if isinstance(error, ApiError):
        return {401: "unauthorized", 403: "forbidden"}.get(error.status, "refused")
    return "server" if isinstance(error, TemporaryError) else "failed"


def _ask_systemd() -> _Host:
    units = {}
    for name in _UNITS:
        properties = systemd.properties(name, *_PROPERTIES)
        runs = properties.get("ActiveState") == "active"
        units[name] = evidence.parse_unit(name, properties, "" if runs else _last_words(name))
    return _Host(units, _attempt(systemd.failed_units))


def _last_words(unit: str) -> str:
    lines = journal.tail([unit], 1, boot=0, timeout=_JOURNAL_SECONDS).text.splitlines()
    return lines[-1][:_LAST_WORDS] if lines else ""


def _ask_imds(url: str | None) -> _Instance:
    with imds.connect(url, deadline=_IMDS_SECONDS) as client:
        instance = client.instance()
        metadata = Metadata(instance.instance_id, instance.availability_zone)
        role = _attempt(partial(_ask_role, client))
        return _Instance(client, metadata, role, client.clock_ahead)


def _ask_role(client: Imds) -> Role:
    credentials = client.credentials()
    if credentials is None:
        raise FailedError("the instance has no role", hint="launch it with an instance profile that has the node role")
    return Role(credentials.expiration)


def _read_cluster(root: Path) -> Cluster:
    cluster = kube.read_kubeconfig(files.below(root, KUBECONFIG))
    return replace(cluster, ca_file=str(files.below(root, cluster.ca_file)))


def _reach(seen: Evidence, cluster: Cluster | Trouble, run: _Run) -> Evidence:
    """Go the way to the API server, as far as it leads."""
    if isinstance(cluster, Trouble):
        return replace(seen, endpoint=cluster)
    url = urlsplit(cluster.server)
    host, port = url.hostname or "", url.port or 443
    seen = replace(seen, endpoint=Endpoint(host, port, cluster.name, cluster.node_name))
    addresses = _attempt(lambda: probe.resolve(host, port, run.pool))
    if isinstance(addresses, Trouble):
        return replace(seen, addresses=addresses)
    connection = _attempt(lambda: probe.connect(addresses, port))
    seen = replace(seen, addresses=addresses, connection=connection)
    if isinstance(connection, Trouble):
        return seen
    return replace(seen, tls=_attempt(lambda: probe.handshake(connection, port, host, Path(cluster.ca_file))))


def _authenticate(seen: Evidence, cluster: Cluster | Trouble, instance: _Instance, run: _Run) -> Evidence:
    """Ask the API server who it takes the node for, and for its Node object, where the way there is free."""
    if isinstance(cluster, Trouble) or isinstance(instance.role, Trouble) or not isinstance(seen.tls, str):
        return seen
    future = run.pool.start(partial(_ask_api, cluster, instance.imds))
    answers = run.result(future, cluster.server)
    if isinstance(answers, Trouble):
        return replace(seen, identity=answers)
    ahead = seen.clock_ahead if answers.clock_ahead is None else answers.clock_ahead
    return replace(seen, identity=answers.identity, node=answers.node, clock_ahead=ahead)


def _ask_api(cluster: Cluster, client: Imds) -> _Answers:
    with client:
        token = _attempt(lambda: eks.token(client, cluster.name))
    if isinstance(token, Trouble):
        return _Answers(replace(token, kind="token"))
    api = Kube(cluster.server, cluster.ca_file, lambda: token.value, None)
    identity = _attempt(lambda: evidence.parse_identity(api.post(_REVIEWS, _REVIEW)))
    ahead = clock.ahead(api.date, datetime.now(UTC))
    if isinstance(identity, Trouble):
        return _Answers(identity, clock_ahead=ahead)
    return _Answers(identity, _attempt(partial(_ask_node, api, cluster.node_name)), ahead)


def _ask_node(api: Kube, name: str) -> Node:
    body = api.get(f"/api/v1/nodes/{name}")
    if body is None:
        raise probe.ProbeError("missing", f"the cluster has no Node {name}")
    return evidence.parse_node(body)
