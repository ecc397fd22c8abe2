"""The doctor at work: gathers the evidence within its bounds, has it judged, and publishes the report."""

import contextlib
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

from agent.doctor import chain, evidence, history, inquiries, parsing
from agent.doctor.evidence import Evidence, Trouble
from agent.doctor.inquiries import attempt
from agent.doctor.report import PATH, Report, as_json, json_object
from agent.errors import FailedError
from agent.host import files, imds, status, vitals
from agent.host.imds import Imds
from agent.host.kube import Cluster
from agent.host.pool import Pool
from agent.model import FileSpec

T = TypeVar("T")

_WITHIN = 10.0
# A dozen reads, on a node that may be too busy to answer soon.
_IMDS_SECONDS = 4.0
# One for each question that is open at a time, DNS servers among them, and two for the resolver, which may hang.
_POOL = 14
_SNAPSHOT = "/run/node-agent/enis.json"
_CONTAINERD_SOCKET = "/run/containerd/containerd.sock"
# Where kubelet, containerd and the agent write, and what may lie on disks of its own: the instance store.
_FILESYSTEMS = ("/var", "/run", "/var/lib/containerd", "/var/lib/kubelet", "/var/log/pods")


def examine(*, root: Path = Path("/"), imds_url: str | None = None) -> Report:
    """Look at everything, within 10 s, and publish the report where /run can be written."""
    seen = _gather(root, imds_url)
    published = _read(root, PATH)
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
        return self.pool.start(partial(attempt, call))

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
class _Host:
    """What systemd and the journal were asked, each by itself: one that is slow costs its own answer."""

    units: Mapping[str, Future[evidence.Unit | Trouble]]
    failed: Future[tuple[str, ...] | Trouble]
    pull_failures: Future[tuple[evidence.PullFailure, ...] | Trouble]
    kernel: Future[evidence.KernelNews | Trouble]


def _gather(root: Path, imds_url: str | None) -> Evidence:
    run = _Run(Pool(_POOL), time.monotonic() + _WITHIN)
    asked_host = _ask_host(root, run)
    asked_links = run.start(inquiries.links)
    asked_instance = run.start(partial(_ask_imds, imds_url))
    cluster = attempt(partial(inquiries.read_cluster, root))
    seen = _look(root)
    if isinstance(cluster, Trouble):
        seen = replace(seen, endpoint=cluster)
    else:
        seen = inquiries.reach(seen, cluster, root, run.pool)
    instance = run.result(asked_instance, "instance metadata")
    if isinstance(instance, _Instance):
        seen = replace(seen, metadata=instance.metadata, role=instance.role, clock_ahead=instance.clock_ahead)
        asked_way = run.start(partial(inquiries.way_to, instance.registry, root, run.pool))
        seen = _authenticate(seen, cluster, instance, run)
        seen = _with_way(seen, run.result(asked_way, "the proxy"))
    else:
        seen = replace(seen, metadata=instance)
    uplink: evidence.Uplink | Trouble = run.result(asked_links, "ip")
    return _with_host(replace(seen, uplink=uplink), asked_host, root, run)


def _read(root: Path, path: str) -> str:
    """Return a file's text, nothing where it cannot be read: the doctor is asked by users without rights, too."""
    with contextlib.suppress(OSError):
        return files.read_text(files.below(root, path)) or ""
    return ""


def _look(root: Path) -> Evidence:
    """Read what needs no asking: files, file systems, memory."""
    statuses = attempt(lambda: status.read_all(root=root))
    return replace(
        parsing.published({} if isinstance(statuses, Trouble) else statuses, datetime.now(UTC)),
        filesystems=tuple(_filesystems(root)),
        machine=evidence.Machine(*vitals.capacity()),
        containerd_socket=_takes_connections(files.below(root, _CONTAINERD_SOCKET)),
        secondaries=parsing.secondaries(json_object(_read(root, _SNAPSHOT)), time.monotonic()),
    )


def _filesystems(root: Path) -> list[evidence.Filesystem]:
    found: dict[int, evidence.Filesystem] = {}
    for path in _FILESYSTEMS:
        place = files.below(root, path)
        usage = vitals.usage(place)
        if usage is not None:
            found.setdefault(place.stat().st_dev, evidence.Filesystem(path, *usage))
    return list(found.values())


def _takes_connections(path: Path) -> bool | None:
    there = inquiries.exists(path)
    is_forbidden = there is None or (there and not os.access(path, os.W_OK, effective_ids=True))
    return None if is_forbidden else vitals.takes_connections(path)


def _ask_host(root: Path, run: _Run) -> _Host:
    return _Host(
        {name: run.start(partial(inquiries.unit, name)) for name in inquiries.UNITS},
        run.start(inquiries.failed_units),
        run.start(inquiries.pull_failures),
        run.start(partial(inquiries.kernel_news, root)),
    )


def _with_host(seen: Evidence, asked: _Host, root: Path, run: _Run) -> Evidence:
    units = {name: run.result(unit, "systemd") for name, unit in asked.units.items()}
    pulls, kernel = run.result(asked.pull_failures, "the journal"), run.result(asked.kernel, "the journal")
    known = {name: unit for name, unit in units.items() if not isinstance(unit, Trouble)}
    failed: tuple[str, ...] | Trouble = run.result(asked.failed, "systemd")
    return replace(
        seen,
        units=known,
        failed_units=failed,
        serving=inquiries.serving(root, known.get("kubelet.service")),
        pull_failures=None if isinstance(pulls, Trouble) else pulls,
        kernel=None if isinstance(kernel, Trouble) else kernel,
    )


def _ask_imds(url: str | None) -> _Instance:
    with imds.connect(url, deadline=_IMDS_SECONDS) as client:
        instance = client.instance()
        metadata = evidence.Metadata(instance.instance_id, instance.availability_zone)
        registry = f"api.ecr.{instance.region}.{instance.domain}"
        return _Instance(client, metadata, attempt(partial(_ask_role, client)), client.clock_ahead, registry)


def _ask_role(client: Imds) -> evidence.Role:
    credentials = client.credentials()
    if credentials is None:
        raise FailedError("the instance has no role", hint="launch it with an instance profile that has the node role")
    return evidence.Role(credentials.expiration)


def _with_way(seen: Evidence, way: inquiries.Way | Trouble) -> Evidence:
    if isinstance(way, Trouble):
        return replace(seen, proxy=way)
    return replace(seen, proxy=way.proxy, registry=way.registry)


def _authenticate(seen: Evidence, cluster: Cluster | Trouble, instance: _Instance, run: _Run) -> Evidence:
    """Ask the API server who it takes the node for, and for its Node object, where the way there is free."""
    if isinstance(cluster, Trouble) or isinstance(instance.role, Trouble) or not isinstance(seen.tls, str):
        return seen
    answers = run.result(run.start(partial(inquiries.ask_api, cluster, instance.imds)), cluster.server)
    if isinstance(answers, Trouble):
        return replace(seen, identity=answers)
    ahead = seen.clock_ahead if answers.clock_ahead is None else answers.clock_ahead
    return replace(seen, identity=answers.identity, node=answers.node, clock_ahead=ahead)
