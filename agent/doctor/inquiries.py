"""What the doctor asks others: systemd, the journal, a registry and the API server, each within bounds."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from agent import clock, proxies
from agent.doctor import evidence, parsing
from agent.doctor.evidence import Evidence, Trouble
from agent.errors import AgentError, SettingsError, TemporaryError
from agent.host import eks, files, journal, kube, probe, systemd, vitals
from agent.host.imds import Imds
from agent.host.kube import ApiError, Cluster, Kube
from agent.host.pool import Pool

KUBECONFIG = "/etc/kubernetes/kubelet/kubeconfig"

T = TypeVar("T")

# A busy machine's systemd and journal: what they do not say by then is left out. A unit takes two such calls.
_SECONDS = 4.0
_LAST_LINES = 200
UNITS = ("containerd.service", "kubelet.service")
_PROPERTIES = (
    *("LoadState", "ActiveState", "SubState", "Result", "NRestarts", "ExecMainStatus", "Job"),
    "ActiveEnterTimestampMonotonic",
)
_REVIEWS = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
_REVIEW = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
# resolved's own list of servers; /etc/resolv.conf names only its stub.
_RESOLV_CONFS = ("/run/systemd/resolve/resolv.conf", "/etc/resolv.conf")
_PROXY_ENVIRONMENT = "/etc/network/proxy.env"
_REGISTRY_PORT = 443
_PULLS_SINCE = "-10min"
_PULL_LINES = 400
_KERNEL_LINES = 2000


@dataclass(frozen=True, slots=True)
class Way:
    """The way to registries: through a proxy, or straight."""

    proxy: evidence.Proxy
    registry: str | Trouble | None = None


@dataclass(frozen=True, slots=True)
class Answers:
    """What the API server answered, and how far the node's clock is ahead of its."""

    identity: evidence.Identity | Trouble
    node: evidence.Node | Trouble | None = None
    clock_ahead: timedelta | None = None


def attempt(call: Callable[[], T]) -> T | Trouble:
    """Call, and return what it gives or why it does not: for the doctor a failure is evidence."""
    try:
        return call()
    except AgentError as error:
        return Trouble(_kind(error), error.message, error.hint)
    except OSError as error:
        hint = "run it as root" if isinstance(error, PermissionError) else ""
        return Trouble("failed", f"cannot read {error.filename}: {os.strerror(error.errno or 0)}", hint)


def _kind(error: AgentError) -> str:
    if isinstance(error, probe.ProbeError):
        return error.kind
    if isinstance(error, ApiError):
        return {401: "unauthorized", 403: "forbidden", 404: "absent"}.get(error.status, "refused")
    if isinstance(error, SettingsError):
        return "settings"
    return "server" if isinstance(error, TemporaryError) else "failed"


def unit(name: str) -> evidence.Unit:
    shown = systemd.properties(name, *_PROPERTIES, timeout=_SECONDS)
    lines = journal.tail([name], _LAST_LINES, boot=0, timeout=_SECONDS).text.splitlines()
    words = parsing.last_words(lines, up=parsing.is_up(shown))
    return parsing.unit(name, shown, words, time.monotonic())


def failed_units() -> tuple[str, ...]:
    return systemd.failed_units(timeout=_SECONDS)


def pull_failures() -> tuple[evidence.PullFailure, ...]:
    said = journal.tail(["kubelet", "containerd"], _PULL_LINES, since=_PULLS_SINCE, timeout=_SECONDS)
    return parsing.pull_failures(said.text.splitlines())


def kernel_news(root: Path) -> evidence.KernelNews:
    messages = journal.kernel(_KERNEL_LINES, timeout=_SECONDS)
    return parsing.kernel_news(messages.text.splitlines(), vitals.panic_records(root))


def links() -> evidence.Uplink | Trouble:
    routes = [*vitals.ip("-4", "route", "show", "default"), *vitals.ip("-6", "route", "show", "default")]
    return parsing.uplink(vitals.ip("address"), routes, vitals.ip("neighbour"))


def way_to(registry: str, root: Path, pool: Pool) -> Way:
    """Try the way to a registry that images are pulled from: through the proxy where one stands before it."""
    settings = proxies.parse(files.read_text(files.below(root, _PROXY_ENVIRONMENT)) or "")
    target = f"{registry}:{_REGISTRY_PORT}"
    before = settings.before(registry, _REGISTRY_PORT)
    if before is None:
        straight = evidence.Proxy(target=target, bypassed=bool(settings.url))
        return Way(straight, attempt(lambda: _connect(registry, pool)))
    address, status = probe.through_proxy(before, target)
    return Way(evidence.Proxy(address, target, status))


def _connect(host: str, pool: Pool) -> str:
    return probe.connect(probe.resolve(host, _REGISTRY_PORT, pool), _REGISTRY_PORT)


def read_cluster(root: Path) -> Cluster:
    cluster = kube.read_kubeconfig(files.below(root, KUBECONFIG))
    return replace(cluster, ca_file=str(files.below(root, cluster.ca_file)))


def reach(seen: Evidence, cluster: Cluster, root: Path, pool: Pool) -> Evidence:
    """Go the way to the API server, as far as it leads."""
    url = urlsplit(cluster.server)
    host, port = url.hostname or "", url.port or 443
    seen = replace(seen, endpoint=evidence.Endpoint(host, port, cluster.name, cluster.node_name))
    found = attempt(partial(_resolve, host, port, root, pool))
    if isinstance(found, Trouble):
        return replace(seen, resolution=found)
    connection = attempt(lambda: probe.connect(found.addresses, port))
    seen = replace(seen, resolution=found, connection=connection)
    if isinstance(connection, Trouble):
        return seen
    return replace(seen, tls=attempt(lambda: probe.handshake(connection, port, host, Path(cluster.ca_file))))


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


def ask_api(cluster: Cluster, client: Imds) -> Answers:
    """Ask the API server who it takes the node for, and for its Node object."""
    with client:
        token = attempt(lambda: eks.token(client, cluster.name))
    if isinstance(token, Trouble):
        return Answers(replace(token, kind="token"))
    api = Kube(cluster.server, cluster.ca_file, lambda: token.value, None)
    identity = attempt(lambda: parsing.identity(api.post(_REVIEWS, _REVIEW)))
    ahead = clock.ahead(api.date, datetime.now(UTC))
    if isinstance(identity, Trouble):
        return Answers(identity, clock_ahead=ahead)
    return Answers(identity, attempt(partial(_ask_node, api, cluster.node_name)), ahead)


def _ask_node(api: Kube, name: str) -> evidence.Node:
    body = api.get(f"/api/v1/nodes/{name}")
    if body is None:
        raise probe.ProbeError("missing", f"the cluster has no Node {name}")
    return parsing.node(body)
