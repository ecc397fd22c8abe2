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

from agent import clock, proxies
from agent.doctor import chain, evidence, history, parsing
from agent.doctor.evidence import Evidence, Trouble
from agent.doctor.report import PATH, Report, as_json
from agent.errors import AgentError, FailedError, TemporaryError
from agent.host import eks, files, imds, journal, kube, probe, status, systemd, vitals
from agent.host.imds import Imds
from agent.host.kube import ApiError, Cluster, Kube
from agent.host.pool import Pool
from agent.model import FileSpec

KUBECONFIG = "/etc/kubernetes/kubelet/kubeconfig"

T = TypeVar("T")

_WITHIN = 10.0
# A dozen reads, on a node that may be too busy to answer soon.
_IMDS_SECONDS = 4.0
_POOL = 6
_JOURNAL_SECONDS = 2.0
_LAST_WORDS = 200
_LAST_LINES = 40
_UNITS = ("containerd.service", "kubelet.service")
_PROPERTIES = (
    *("LoadState", "ActiveState", "SubState", "Result", "NRestarts", "ExecMainStatus", "Job"),
    "ActiveEnterTimestampMonotonic",
)
_REVIEWS = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
_REVIEW = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
# resolved's own list of servers; /etc/resolv.conf names only its stub.
_RESOLV_CONFS = ("/run/systemd/resolve/resolv.conf", "/etc/resolv.conf")
_PROXY_ENVIRONMENT = "/etc/network/proxy.env"
_SNAPSHOT = "/run/node-agent/enis.json"
_CONTAINERD_SOCKET = "/run/containerd/containerd.sock"
_SERVING_CERTIFICATE = "/var/lib/kubelet/pki/kubelet-server-current.pem"
# Where kubelet, containerd and the agent write.
_FILESYSTEMS = ("/var", "/run")
_PULLS_SINCE = "-10min"
_PULL_LINES = 400
_KERNEL_LINES = 2000


def examine(*, root: Path = Path("/"), imds_url: str | None = None) -> Report:
    """Look at everything, within 10 s, and publish the report where /run can be written."""
    seen = _gather(root, imds_url)
    published = files.read_text(files.below(root, PATH))
    report = history.followed(chain.examine(seen), published, datetime.now(UTC))
    if isinstance(seen.node, evidence.Node):
        report = replace(report, announced=seen.node.announced)
    with contextlib.suppress(FailedError):  # who asked gets the report all the same
        files.write_file(FileSpec(PATH, as_json(report).encode()), root=root)
    return report


@dataclass(frozen=True, slots=True)
class _Run:
    """One run of the doctor: where calls that may hang go, and until when it lasts."""

    pool: Pool
    deadline: float

    def start(self, call: Callable[[], T]) -> Future[T | Trouble]:
        return self.pool.start(partial(_attempt, call))

    def result(self, future: Future[T | Trouble], what: str) -> T | Trouble:
        try:
            return future.result(max(0.0, self.deadline - time.monotonic()))
        except TimeoutError:
            return Trouble("timeout", f"{what} did not answer in time")


@dataclass(frozen=True, slots=True)
class _Instance:
    """What instance metadata answered, and the client that asked."""

    imds: Imds
    metadata: evidence.Metadata | Trouble
    role: evidence.Role | Trouble
    clock_ahead: timedelta | None
    registry: str


@dataclass(frozen=True, slots=True)
class _Answers:
    """What the API server answered, and how far the node's clock is ahead of its."""

    identity: evidence.Identity | Trouble
    node: evidence.Node | Trouble | None = None
    clock_ahead: timedelta | None = None


@dataclass(frozen=True, slots=True)
class _Host:
    """What systemd and the journal answered."""

    units: dict[str, evidence.Unit]
    failed: tuple[str, ...] | Trouble
    serving: evidence.Serving
    pull_failures: tuple[evidence.PullFailure, ...]
    kernel: evidence.KernelNews


def _gather(root: Path, imds_url: str | None) -> Evidence:
    run = _Run(Pool(_POOL), time.monotonic() + _WITHIN)
    asked_host = run.start(partial(_ask_host, root))
    asked_links = run.start(_ask_links)
    asked_instance = run.start(partial(_ask_imds, imds_url))
    cluster = _attempt(partial(_read_cluster, root))
    seen = _look(root)
    seen = _reach(seen, cluster, root, run)
    instance = run.result(asked_instance, "instance metadata")
    if isinstance(instance, _Instance):
        seen = replace(seen, metadata=instance.metadata, role=instance.role, clock_ahead=instance.clock_ahead)
        asked_proxy = run.start(partial(_ask_proxy, root, instance.registry))
        seen = _authenticate(seen, cluster, instance, run)
        through: evidence.Proxy | Trouble = run.result(asked_proxy, "the proxy")
        seen = replace(seen, proxy=through)
    else:
        seen = replace(seen, metadata=instance)
    uplink: evidence.Uplink | Trouble = run.result(asked_links, "ip")
    return _with_host(replace(seen, uplink=uplink), run.result(asked_host, "systemd"))


def _with_host(seen: Evidence, host: _Host | Trouble) -> Evidence:
    if isinstance(host, Trouble):
        return replace(seen, failed_units=host)
    return replace(
        seen,
        units=host.units,
        failed_units=host.failed,
        serving=host.serving,
        pull_failures=host.pull_failures,
        kernel=host.kernel,
    )


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


def _look(root: Path) -> Evidence:
    """Read what needs no asking: files, file systems, memory."""
    usages = ((path, vitals.usage(files.below(root, path))) for path in _FILESYSTEMS)
    snapshot = files.read_text(files.below(root, _SNAPSHOT)) or "{}"
    return replace(
        parsing.published(status.read_all(root=root), datetime.now(UTC)),
        filesystems=tuple(evidence.Filesystem(path, *usage) for path, usage in usages if usage),
        machine=evidence.Machine(*vitals.capacity()),
        containerd_socket=vitals.takes_connections(files.below(root, _CONTAINERD_SOCKET)),
        secondaries=parsing.secondaries(parsing.json_object(snapshot), time.monotonic()),
    )


def _ask_links() -> evidence.Uplink | Trouble:
    routes = [*vitals.ip("-4", "route", "show", "default"), *vitals.ip("-6", "route", "show", "default")]
    return parsing.uplink(vitals.ip("address"), routes, vitals.ip("neighbour"))


def _ask_host(root: Path) -> _Host:
    shown = {name: systemd.properties(name, *_PROPERTIES) for name in _UNITS}
    units = {name: parsing.unit(name, shown[name], _last_words(name, shown[name])) for name in _UNITS}
    pulls = journal.tail(["kubelet", "containerd"], _PULL_LINES, since=_PULLS_SINCE, timeout=_JOURNAL_SECONDS)
    messages = journal.kernel(_KERNEL_LINES, timeout=_JOURNAL_SECONDS)
    return _Host(
        units,
        _attempt(systemd.failed_units),
        _serving(root, shown["kubelet.service"]),
        parsing.pull_failures(pulls.text.splitlines()),
        parsing.kernel_news(messages.text.splitlines(), vitals.panic_records(root)),
    )


def _last_words(unit: str, properties: dict[str, str]) -> str:
    if properties.get("ActiveState") == "active":
        return ""
    lines = journal.tail([unit], _LAST_LINES, boot=0, timeout=_JOURNAL_SECONDS).text.splitlines()
    return parsing.last_words(lines, _LAST_WORDS)


def _serving(root: Path, kubelet: dict[str, str]) -> evidence.Serving:
    since = kubelet.get("ActiveEnterTimestampMonotonic", "")
    waited = time.monotonic() - int(since) / 1e6 if since.isdecimal() and int(since) else 0.0
    return evidence.Serving(files.below(root, _SERVING_CERTIFICATE).exists(), waited)


def _ask_imds(url: str | None) -> _Instance:
    with imds.connect(url, deadline=_IMDS_SECONDS) as client:
        instance = client.instance()
        metadata = evidence.Metadata(instance.instance_id, instance.availability_zone)
        registry = f"api.ecr.{instance.region}.{instance.domain}:443"
        return _Instance(client, metadata, _attempt(partial(_ask_role, client)), client.clock_ahead, registry)


def _ask_role(client: Imds) -> evidence.Role:
    credentials = client.credentials()
    if credentials is None:
        raise FailedError("the instance has no role", hint="launch it with an instance profile that has the node role")
    return evidence.Role(credentials.expiration)


def _ask_proxy(root: Path, registry: str) -> evidence.Proxy:
    url = proxies.parse(files.read_text(files.below(root, _PROXY_ENVIRONMENT)) or "").url
    if not url:
        return evidence.Proxy()
    address, answer = probe.through_proxy(url, registry)
    return evidence.Proxy(address, registry, answer)


def _read_cluster(root: Path) -> Cluster:
    cluster = kube.read_kubeconfig(files.below(root, KUBECONFIG))
    return replace(cluster, ca_file=str(files.below(root, cluster.ca_file)))


def _reach(seen: Evidence, cluster: Cluster | Trouble, root: Path, run: _Run) -> Evidence:
    """Go the way to the API server, as far as it leads."""
    if isinstance(cluster, Trouble):
        return replace(seen, endpoint=cluster)
    url = urlsplit(cluster.server)
    host, port = url.hostname or "", url.port or 443
    seen = replace(seen, endpoint=evidence.Endpoint(host, port, cluster.name, cluster.node_name))
    found = _attempt(partial(_resolve, host, port, root, run.pool))
    if isinstance(found, Trouble):
        return replace(seen, resolution=found)
    connection = _attempt(lambda: probe.connect(found.addresses, port))
    seen = replace(seen, resolution=found, connection=connection)
    if isinstance(connection, Trouble):
        return seen
    return replace(seen, tls=_attempt(lambda: probe.handshake(connection, port, host, Path(cluster.ca_file))))


def _resolve(host: str, port: int, root: Path, pool: Pool) -> evidence.Resolution:
    configured = (files.read_text(files.below(root, path)) for path in _RESOLV_CONFS)
    servers = parsing.nameservers(next(filter(None, configured), ""))
    began = time.monotonic()
    try:
        addresses = probe.resolve(host, port, pool)
    except probe.ProbeError as error:
        asked = f"; asked {', '.join(servers)}" if servers else ""
        raise probe.ProbeError(error.kind, f"{error.message}{asked}") from error
    return evidence.Resolution(addresses, time.monotonic() - began, servers)


def _authenticate(seen: Evidence, cluster: Cluster | Trouble, instance: _Instance, run: _Run) -> Evidence:
    """Ask the API server who it takes the node for, and for its Node object, where the way there is free."""
    if isinstance(cluster, Trouble) or isinstance(instance.role, Trouble) or not isinstance(seen.tls, str):
        return seen
    answers = run.result(run.start(partial(_ask_api, cluster, instance.imds)), cluster.server)
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
    identity = _attempt(lambda: parsing.identity(api.post(_REVIEWS, _REVIEW)))
    ahead = clock.ahead(api.date, datetime.now(UTC))
    if isinstance(identity, Trouble):
        return _Answers(identity, clock_ahead=ahead)
    return _Answers(identity, _attempt(partial(_ask_node, api, cluster.node_name)), ahead)


def _ask_node(api: Kube, name: str) -> evidence.Node:
    body = api.get(f"/api/v1/nodes/{name}")
    if body is None:
        raise probe.ProbeError("missing", f"the cluster has no Node {name}")
    return parsing.node(body)
