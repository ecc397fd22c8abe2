"""Diagnostics at work: gives the service the real host, cluster and buckets, until SIGTERM."""

import math
import os
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_network
from pathlib import Path

from agent import loop, packet_capture, proxies
from agent.diagnostics import api, bundle, capture, destination, means
from agent.diagnostics.answer import Lifetime, Verdict, judge
from agent.diagnostics.delivery import Route
from agent.diagnostics.destination import Destination, Network, Rules
from agent.diagnostics.form import Form, envelope
from agent.diagnostics.means import Means
from agent.diagnostics.pulse import Pulse, StoppedError, now
from agent.diagnostics.sender import Post, send_all
from agent.diagnostics.service import Service
from agent.doctor.report import PATH as DOCTOR
from agent.doctor.report import glimpse
from agent.errors import TemporaryError
from agent.host import eks, files, imds, kube, status, systemd
from agent.host.child import Child, Parent
from agent.host.kube import Kube
from agent.host.observer import Observer
from agent.host.shelf import Shelf
from agent.host.spool import FOLDER as SPOOL
from agent.host.spool import Folder, Spool
from agent.host.units import Template
from agent.host.upload import CA_BUNDLE, Parcel, Target, Uploader
from agent.loop import Backoff
from agent.packet_capture import PacketRequest

USER = "eks-auto:node-diagnostics"
_NAME = "diagnostics"
_KUBECONFIG = "/etc/kubernetes/kubelet/kubeconfig"
_KUBELET_CONFIG = "/etc/kubernetes/kubelet/config.json"
_SETTINGS = "/etc/node-agent/settings.json"
_PROXY = "/etc/network/proxy.env"
# Addresses that uploads may go to although the rules refuse them, by plain http too, separated by commas: set by a
# drop-in of the unit.
_ALLOW = "NODE_AGENT_UPLOAD_ALLOW"
_TOKEN_SECONDS = 8.0
_READY = Backoff(first=1.0, cap=5.0)


@dataclass(frozen=True, slots=True)
class Units:
    """What runs captures outside the daemon: each in a sandbox of its own."""

    collect: means.Unit
    packets: means.Unit


def serve(*, root: Path = Path("/"), units: Units | None = None) -> None:
    """Answer this node's NodeDiagnostic object until SIGTERM."""
    with loop.until_stopped() as stop:
        alive = _Alive(root)
        pulse = Pulse(lambda: stop.requested, alive, interval=systemd.watchdog_seconds(), clock=time.monotonic)
        systemd.notify("READY=1", f"STATUS={alive.doing}")
        with suppress(StoppedError):
            cluster = loop.retry(
                partial(_cluster, root), within=math.inf, backoff=_READY, wait=partial(_wait, stop, pulse)
            )
            alive.doing = f"watching NodeDiagnostic {cluster.node_name}"
            alive()
            _service(cluster, pulse, units or _systemd_units(), root).run()
        systemd.notify("STOPPING=1")


class _Alive:
    """What systemd hears now and again: that the daemon lives, what it does, and what the doctor said last."""

    def __init__(self, root: Path) -> None:
        self.doing = "waiting for the kubeconfig"
        self._doctor = files.below(root, DOCTOR)

    def __call__(self) -> None:
        systemd.notify("WATCHDOG=1", f"STATUS={self.doing}{glimpse(files.read_text(self._doctor))}")


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


def _service(cluster: kube.Cluster, pulse: Pulse, units: Units, root: Path) -> Service:
    token = eks.TokenSource(imds.connect(deadline=_TOKEN_SECONDS), cluster.name)
    client = Kube(cluster.server, str(files.below(root, cluster.ca_file)), token, USER, tick=pulse)
    spool, packets = (Spool(files.below(root, folder)) for folder in (SPOOL, packet_capture.FOLDER))
    allowed = frozenset(filter(None, os.environ.get(_ALLOW, "").split(",")))
    uploads = _Uploads(client, allowed, root)
    world = Means(
        observer=Observer(client, api.COLLECTION, cluster.node_name),
        api=client,
        spool=spool,
        collector=units.collect,
        put=lambda to, name, tick: uploads.send(to, Parcel(spool.place(name) / capture.BUNDLE), tick),
        shelf=Shelf(spool, capture.BUNDLE, node=cluster.node_name, reserve=bundle.RESERVE_BYTES, root=root),
        packets=means.Packets(packets, units.packets, _Sender(uploads, packets, pulse)),
        publish=partial(status.write, _NAME, root=root),
        new_id=lambda: str(uuid.uuid4()),
        allowed=allowed,
    )
    return Service(world, pulse)


def _systemd_units() -> Units:
    return Units(
        Template("node-agent-collect", patient=True),
        # What it has captured is still sent while it ends.
        Template("node-agent-packets", patient=False),
    )


class _Uploads:
    """Uploads, with the rules of whom something may go to, and the node's proxy where it has one."""

    def __init__(self, client: Kube, allowed: frozenset[str], root: Path) -> None:
        self._client = client
        self._allowed = allowed
        self._root = root

    def send(self, to: Destination, parcel: Parcel, tick: Callable[[], None]) -> Verdict:
        rules = Rules(self._refused(), {self._client.host}, self._allowed)
        proxy = proxies.parse(self._read(_PROXY)).before(to.host, to.port)
        answer = Uploader(tick, files.below(self._root, CA_BUNDLE)).send(
            Target(to.host, to.port, to.target, to.plain, proxy),
            parcel,
            check_peer=lambda peer, own: destination.check_peer(peer, own, rules),
        )
        return judge(answer.status, answer.headers, answer.body)

    def _refused(self) -> list[Network]:
        networks = [ip_network(address) for address in self._client.addresses()]
        return [*networks, *destination.service_ranges(self._read(_SETTINGS), self._read(_KUBELET_CONFIG))]

    def _read(self, path: str) -> str:
        return files.read_text(files.below(self._root, path)) or ""


class _Sender(means.Sender):
    """Uploads of chunks in a child process: the form's secrets stay in memory, and the daemon goes on."""

    def __init__(self, uploads: _Uploads, spool: Spool, pulse: Pulse) -> None:
        self._uploads = uploads
        self._spool = spool
        self._pulse = pulse
        self._child: Child | None = None

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.running

    def start(self, request: PacketRequest, form: Form) -> None:
        self._child = Child(lambda parent: self._work(request, form, parent))

    def stop(self) -> None:
        if self._child is not None:
            self._child.stop()

    def _work(self, request: PacketRequest, form: Form, parent: Parent) -> None:
        route = Route(form.target.host, form.secrets(), Lifetime(form.expires, now(), self._pulse.clock))
        post = Post(partial(self._post, request.capture_id, form, parent), parent.wait, route)
        send_all(Folder(self._spool, request.capture_id), post)

    def _post(self, capture_id: str, form: Form, parent: Parent, name: str) -> Verdict:
        around = envelope(form, capture_id, name, uuid.uuid4().hex)
        source = self._spool.place(capture_id) / name
        parcel = Parcel(source, "POST", {"Content-Type": around.content_type}, around.before, around.after)
        return self._uploads.send(form.target, parcel, parent.tick)
