"""What the doctor asks others: systemd, the journal, a registry and the API server, each within bounds."""

import contextlib
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from agent import clock, proxies
from agent.dns_question import Taken
from agent.doctor import evidence, kubelet_files, parsing
from agent.doctor.evidence import Evidence, Trouble
from agent.errors import AgentError, SettingsError, TemporaryError
from agent.host import eks, files, journal, kube, nameservers, probe, systemd, vitals
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
# MAXNS of resolv.h: the C library asks no more of them.
_MAX_NAMESERVERS = 3
_ADDRESS = re.compile(r"[\d.]+|.*:.*", re.ASCII)
_KUBELET_CONFIG = "/etc/kubernetes/kubelet/config.json"
_KUBELET_DROP_INS = "/etc/kubernetes/kubelet/config.json.d"
_KUBELET_FLAGS = "/etc/kubernetes/kubelet/flags.env"
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
    socks = settings.socks_before(registry, _REGISTRY_PORT)
    if socks is not None:
        try:
            _connect(*socks, pool)
        except probe.ProbeError as error:
            raise probe.ProbeError(error.kind, f"the proxy {error.message}") from error
        return Way(evidence.Proxy(f"{probe.bracketed(socks[0])}:{socks[1]}", target, socks=True))
    before = settings.before(registry, _REGISTRY_PORT)
    if before is None:
        straight = evidence.Proxy(target=target, bypassed=bool(settings.url))
        return Way(straight, attempt(lambda: _connect(registry, _REGISTRY_PORT, pool)))
    address, status = probe.through_proxy(before, target)
    return Way(evidence.Proxy(address, target, status))


def _connect(host: str, port: int, pool: Pool) -> str:
    return probe.connect(probe.resolve(host, port, pool), port)


def serving(root: Path, kubelet: evidence.Unit | None) -> evidence.Serving | None:
    """Look for kubelet's serving certificate; None where it cannot be told whether there is to be one."""
    wanted = attempt(partial(_serving_certificate, root))
    if kubelet is None or isinstance(wanted, Trouble):
        return None
    if wanted is None:
        return evidence.Serving(present=False, asked=False)
    present = exists(files.below(root, wanted))
    return None if present is None else evidence.Serving(present, kubelet.active_for or 0.0)


def _serving_certificate(root: Path) -> str | None:
    own, flags = (files.read_text(files.below(root, path)) or "" for path in (_KUBELET_CONFIG, _KUBELET_FLAGS))
    drop_ins = files.texts(_KUBELET_DROP_INS, root=root)
    later = (drop_ins[path] for path in sorted(drop_ins) if path.endswith(".conf"))
    return kubelet_files.serving_certificate((own, *later), flags)


def exists(path: Path) -> bool | None:
    """Return whether a file is there, or None where a user without rights cannot tell."""
    try:
        return path.exists()
    except OSError:
        return None


def read_cluster(root: Path) -> Cluster:
    cluster = kube.read_kubeconfig(files.below(root, KUBECONFIG))
    return replace(cluster, ca_file=str(files.below(root, cluster.ca_file)))


def reach(seen: Evidence, cluster: Cluster, root: Path, pool: Pool) -> Evidence:
    """Go the way to the API server, as far as it leads."""
    url = urlsplit(cluster.server)
    end = evidence.Endpoint(url.hostname or "", url.port or 443, cluster.name, cluster.node_name)
    servers = _nameservers(end.host, root)
    asked = [pool.start(partial(nameservers.ask, server, end.host)) for server in servers or ()]
    seen = _go(replace(seen, endpoint=end), end, Path(cluster.ca_file), pool)
    return seen if servers is None else replace(seen, nameservers=tuple(_taken(asked)))


def _go(seen: Evidence, end: evidence.Endpoint, ca: Path, pool: Pool) -> Evidence:
    found = attempt(partial(_resolve, end.host, end.port, pool))
    if isinstance(found, Trouble):
        return replace(seen, resolution=found)
    connection = attempt(lambda: probe.connect(found.addresses, end.port))
    seen = replace(seen, resolution=found, connection=connection)
    if isinstance(connection, Trouble):
        return seen
    return replace(seen, tls=attempt(lambda: probe.handshake(connection, end.port, end.host, ca)))


def _resolve(host: str, port: int, pool: Pool) -> evidence.Resolution:
    began = time.monotonic()
    return evidence.Resolution(probe.resolve(host, port, pool), time.monotonic() - began)


def _nameservers(host: str, root: Path) -> tuple[str, ...] | None:
    """Return the servers that a name is asked of, or None where no file says, or the host is an address already."""
    configured = (files.read_text(files.below(root, path)) for path in _RESOLV_CONFS)
    found = next(filter(None, configured), None)
    return None if found is None or _ADDRESS.fullmatch(host) else parsing.nameservers(found)[:_MAX_NAMESERVERS]


def _taken(asked: Sequence[Future[Taken]]) -> Iterator[Taken]:
    for future in asked:
        # No time is left where the threads hang in the resolver; what is no name was not asked.
        with contextlib.suppress(TimeoutError, ValueError):
            yield future.result(nameservers.SECONDS)


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
