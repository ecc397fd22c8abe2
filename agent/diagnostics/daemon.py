"""Diagnostics at work: gives the service the real host, makes bundles, and prints the catalogue."""

import math
import os
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_network
from json import loads
from pathlib import Path

from agent import agent_version, log, loop
from agent.diagnostics import api, bundle, capture, catalogue, destination, manifest, means
from agent.diagnostics.capture import Made
from agent.diagnostics.destination import Destination, Network, Verdict
from agent.diagnostics.manifest import About
from agent.diagnostics.means import Means
from agent.diagnostics.pulse import Pulse, StoppedError, now, now_text
from agent.diagnostics.service import Service
from agent.errors import AgentError, FailedError, SettingsError, TemporaryError
from agent.host import eks, files, imds, kube, status, systemd
from agent.host.archive import Archive
from agent.host.gather import Gatherer
from agent.host.kube import Kube
from agent.host.observer import Observer
from agent.host.spool import FOLDER as SPOOL
from agent.host.spool import Spool
from agent.host.upload import CA_BUNDLE, Target, Uploader
from agent.loop import Backoff

USER = "eks-auto:node-diagnostics"
_NAME = "diagnostics"
_KUBECONFIG = "/etc/kubernetes/kubelet/kubeconfig"
_KUBELET_CONFIG = "/etc/kubernetes/kubelet/config.json"
# Addresses that a bundle may go to although the rules refuse them, separated by commas: set by a drop-in of the unit.
_ALLOW = "NODE_AGENT_UPLOAD_ALLOW"
# Where the peer leaves a bundle, for how long, and under which name.
_SUPPORT = "/var/log/support"
_SUFFIX = "-logs.tar.gz"
_SHELF_SECONDS = 600.0
_TOKEN_SECONDS = 8.0
_METADATA_SECONDS = 3.0
_READY = Backoff(first=1.0, cap=5.0)


def serve(*, root: Path = Path("/"), collector: means.Collector | None = None) -> None:
    """Answer this node's NodeDiagnostic object until SIGTERM."""
    with loop.until_stopped() as stop:
        feed = partial(systemd.notify, "WATCHDOG=1")
        pulse = Pulse(lambda: stop.requested, feed, interval=systemd.watchdog_seconds(), clock=time.monotonic)
        systemd.notify("READY=1", "STATUS=waiting for the kubeconfig")
        with suppress(StoppedError):
            cluster = loop.retry(
                partial(_cluster, root), within=math.inf, backoff=_READY, wait=partial(_wait, stop, pulse)
            )
            systemd.notify(f"STATUS=watching NodeDiagnostic {cluster.node_name}")
            _service(cluster, pulse, collector or _Collector(), root).run()
        systemd.notify("STOPPING=1")


def collect(capture_id: str, *, root: Path = Path("/")) -> None:
    """Make the bundle of one capture in its folder of the spool."""
    if not capture.is_capture_id(capture_id):
        raise FailedError(f"{capture_id!r} is no capture ID", hint="the diagnostics daemon starts this command")
    store = Spool(files.below(root, SPOOL))
    content = store.read(capture_id, capture.REQUEST)
    if content is None:
        raise FailedError(f"the spool holds no request {capture_id}", hint="the diagnostics daemon writes it")
    run = capture.parse(content)
    folder = store.place(capture_id)
    about = About(
        agent_version=agent_version(),
        node=run.name,
        categories=run.categories,
        started_at=run.started_at,
        capture_id=run.capture_id,
        uid=run.uid,
        generation=run.generation,
    )
    made = _make(_Place(folder / capture.BUNDLE, folder, root), about, run.deadline_seconds, lambda _: None)
    store.write(capture_id, capture.RESULT, made.dump())
    log.get("collect").info("bundle made", capture=capture_id, bytes=made.size, failed=len(made.failed))


def diagnose(categories: Sequence[str], output: Path) -> None:
    """Make the same bundle at `output`, without the API server, and say what is in it."""
    if unknown := sorted(set(categories) - {*api.CATEGORIES, api.ALL}):
        raise SettingsError(
            f"no such category: {', '.join(unknown)}", hint=f"choose from All, {', '.join(api.CATEGORIES)}"
        )
    configured = status.read("configure") or {}
    about = About(
        agent_version=agent_version(),
        node=str(configured.get("nodeName") or os.uname().nodename),
        categories=api.expand(tuple(categories)),
        started_at=now_text(),
    )
    try:
        with tempfile.TemporaryDirectory(prefix=".node-agent-", dir=output.parent) as folder:
            half = Path(folder) / output.name
            made = _make(_Place(half, Path(folder), Path("/")), about, capture.DEADLINE_SECONDS, _progress())
            half.replace(output)
    except OSError as error:
        raise FailedError(f"cannot write {output}: {error.strerror}", hint="give a writable folder") from error
    lines = [f"{output}: {made.size} bytes, {made.outputs} outputs", *(f"not whole: {path}" for path in made.failed)]
    sys.stdout.write("\n".join(lines) + "\n")


def list_catalogue(*, as_json: bool) -> None:
    """Print the catalogue of outputs."""
    sys.stdout.write(catalogue.as_json() if as_json else catalogue.as_text())


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a bundle is made: the archive, the folder for what is on its way there, the root that is read."""

    archive: Path
    scratch: Path
    root: Path


def _make(place: _Place, about: About, seconds: float, progress: Callable[[str], None]) -> Made:
    gatherer = Gatherer(place.scratch, metadata=_metadata(), root=place.root)
    tools = bundle.Means(
        gather=lambda output, limit, left: gatherer.gather(output, limit=limit, seconds=left),
        clock=time.monotonic,
        room=lambda: files.free_bytes(place.scratch),
        now=lambda: (now_text(), now().timestamp()),
        progress=progress,
    )
    with Archive(place.archive) as archive:
        outcomes = bundle.make(catalogue.select(about.categories), archive, tools, about, seconds=seconds)
        sealed = archive.seal()
    return Made(sealed.size, sealed.sha256, len(outcomes), manifest.failed(outcomes))


def _metadata() -> Callable[[str], str | None]:
    """Return a reader of IMDS that, once it has failed, fails at once: a bundle must not wait for each value."""
    client = imds.connect(deadline=_METADATA_SECONDS)
    trouble: list[AgentError] = []

    def read(path: str) -> str | None:
        if trouble:
            raise trouble[0]
        try:
            return client.get(path)
        except AgentError as error:
            trouble.append(error)
            raise

    return read


def _progress() -> Callable[[str], None]:
    def show(path: str) -> None:
        sys.stderr.write(f"\r\033[K{path}")
        sys.stderr.flush()

    return show if sys.stderr.isatty() else lambda _: None


def _wait(stop: loop.Stop, pulse: Pulse, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        stop.wait(min(left, 1.0))
        pulse()


def _cluster(root: Path) -> kube.Cluster:
    try:
        return kube.read_kubeconfig(files.below(root, _KUBECONFIG))
    except TemporaryError as error:
        status.write(_NAME, "waiting", str(error), root=root)
        raise


def _service(cluster: kube.Cluster, pulse: Pulse, collector: means.Collector, root: Path) -> Service:
    token = eks.TokenSource(imds.connect(deadline=_TOKEN_SECONDS), cluster.name)
    client = Kube(cluster.server, str(files.below(root, cluster.ca_file)), token, USER, tick=pulse)
    spool = Spool(files.below(root, SPOOL))
    world = Means(
        observer=Observer(client, api.COLLECTION, cluster.node_name),
        api=client,
        spool=spool,
        collector=collector,
        put=_Putter(client, spool, root),
        shelf=_Shelf(spool, root),
        publish=partial(status.write, _NAME, root=root),
        new_id=lambda: str(uuid.uuid4()),
    )
    return Service(world, pulse)


class _Collector(means.Collector):
    """Collections as units: each in a sandbox of its own, which outlives this daemon."""

    def start(self, capture_id: str) -> None:
        systemd.start(self._unit(capture_id), wait=False)

    def stop(self, capture_id: str) -> None:
        # A collector blocked in the kernel may not end in time: it goes on alone, and its folder is removed.
        with suppress(FailedError):
            systemd.stop(self._unit(capture_id))

    def trouble(self, capture_id: str) -> str | None:
        found = systemd.properties(self._unit(capture_id), "ActiveState", "Job", "Result", "ExecMainStatus")
        state = found.get("ActiveState", "active")
        if state not in {"inactive", "failed"} or found.get("Job", "0") not in {"", "0"}:
            return None
        return f"{state}, result {found.get('Result')}, exit status {found.get('ExecMainStatus')}"

    def _unit(self, capture_id: str) -> str:
        return f"node-agent-collect@{capture_id}.service"


class _Putter:
    """Uploads, with the rules of whom a bundle may go to."""

    def __init__(self, client: Kube, spool: Spool, root: Path) -> None:
        self._client = client
        self._spool = spool
        self._root = root

    def __call__(self, target: Destination, capture_id: str, tick: Callable[[], None]) -> Verdict:
        refused = self._refused()
        allowed = frozenset(os.environ.get(_ALLOW, "").split(","))
        answer = Uploader(tick, files.below(self._root, CA_BUNDLE)).put(
            Target(target.host, target.port, target.target),
            self._spool.place(capture_id) / capture.BUNDLE,
            check_peer=lambda peer, own: destination.check_peer(peer, own, refused, allowed),
        )
        return destination.judge(answer.status, answer.body)

    def _refused(self) -> list[Network]:
        networks = [ip_network(address) for address in self._client.addresses()]
        config = files.read_text(files.below(self._root, _KUBELET_CONFIG))
        servers = loads(config).get("clusterDNS", []) if config else []
        return [*networks, *(destination.service_range(server) for server in servers)]


class _Shelf(means.Shelf):
    """The folder that the kubelet's log endpoint shows; a file's own time says when it goes."""

    def __init__(self, spool: Spool, root: Path) -> None:
        self._spool = spool
        self._root = root

    def keep(self, capture_id: str, node: str) -> str:
        path = f"{_SUPPORT}/{node}{_SUFFIX}"
        files.copy_file(self._spool.place(capture_id) / capture.BUNDLE, files.below(self._root, path), mode=0o640)
        return path

    def sweep(self) -> None:
        for path in files.below(self._root, _SUPPORT).glob(f"*{_SUFFIX}*"):
            with suppress(FileNotFoundError):
                if now().timestamp() - path.lstat().st_mtime > _SHELF_SECONDS:
                    path.unlink()
