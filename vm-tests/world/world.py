"""A world: one region, one cluster, and the nodes launched in them."""

from __future__ import annotations

import contextlib
import functools
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self

import tools
from world import accelerator, ec2, namespaces, ownership, pki, shell, sts
from world.cluster import Cluster
from world.facts import ZONE
from world.inventory import Instance
from world.machines import INSTANCE_TYPE, USER_DATA, private_dns_name
from world.metadata import Fault
from world.node import Launch, Node, Surroundings
from world.outside import Outside
from world.processes import run
from world.qemu import Boot
from world.region import Region, Resident
from world.s3 import ObjectStore
from world.vpc import PUBLIC

API_SERVER = "10.0.0.10"
API_SERVER6 = "2001:db8:ec2::10"
S3 = "10.0.0.11"
RESOLVER = "10.0.0.2"
REPOSITORY = Path(__file__).resolve().parents[2]


class World:
    """A context manager: what it starts is gone when it ends, and what dead worlds left is swept when it starts."""

    region: Region
    cluster: Cluster

    def __init__(self, *, ipv6: bool = False) -> None:
        """Prepare a world; with `ipv6` its cluster, its Services and its nodes are of that family."""
        self._ipv6 = ipv6
        self._exit = contextlib.ExitStack()
        self._nodes: list[Node] = []

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as undo:
            self._build(undo)
            self._exit = undo.pop_all()
        return self

    def __exit__(self, *_exception: object) -> None:
        with _step("world: tear down"):
            self._exit.close()

    @property
    def s3(self) -> ObjectStore:
        return self.cluster.s3

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The instances that are launched and not terminated, running or not."""
        return tuple(self._nodes)

    @functools.cached_property
    def outside(self) -> Outside:
        """What is beyond the VPC: a private registry and the proxy to it, started when first asked for."""
        with _step("world: outside"):
            outside = Outside(self._home, self.region.vpc, RESOLVER)
        self._exit.callback(outside.close)
        return outside

    def launch(
        self,
        user_data: str | bytes | None = None,
        *,
        hop_limit: int = 1,
        data_volume: bool = True,
        data_from: Path | None = None,
        imds: Mapping[str, Fault] | None = None,
        clock_offset: timedelta = timedelta(0),
        kernel_arguments: Sequence[str] = (),
    ) -> Node:
        """Launch an instance, by default with user data that lets it join; returns while it boots."""
        family = {"prefixes6": 1} if self._ipv6 else {"prefixes": 1}
        resident = self.region.create(hop_limit=hop_limit, **family)
        resident.metadata.set(USER_DATA, self.user_data() if user_data is None else user_data)
        for path, fault in (imds or {}).items():
            resident.metadata.fault(path, fault)
        self.cluster.register(self._known_to_cluster(resident))
        launch = Launch(self._accelerator, self._boot(kernel_arguments, clock_offset), data_volume, data_from)
        node = Node(self._surroundings(), resident, launch)
        self._nodes.append(node)
        _say(f"world: launched {node.instance_id}; console: {node.serial_log}")
        return node

    def terminate(self, node: Node) -> None:
        """End an instance and free what it held."""
        self._nodes.remove(node)
        node.terminate()
        self.cluster.forget(node.instance_id)

    def add_host(self, name: str, *addresses: str) -> str:
        """Add a machine that is no instance, inside the VPC or beyond it; returns its network namespace."""
        netns = self._home.namespace(name)
        namespaces.make(netns)
        self.region.vpc.attach(netns, *addresses)
        return netns

    def user_data(self, *, extra_pki: bool = True) -> str:
        """Return user data with which a node joins the cluster and trusts its object store."""
        return self.cluster.user_data(extra_pki=extra_pki)

    def kubectl(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        return self.cluster.kubectl(*arguments, stdin=stdin, check=check)

    def audit_events(self) -> list[dict[str, Any]]:
        return self.cluster.audit_events()

    @property
    def kubectl_command(self) -> str:
        """The administrator's kubectl, to paste into a root shell of this machine."""
        return self.cluster.kubectl_command

    def presign_put(self, key: str, *, expires: int = 3600, signed_at: datetime | None = None) -> str:
        return self.s3.presign_put(key, expires=expires, signed_at=signed_at)

    def _build(self, undo: contextlib.ExitStack) -> None:
        self._image = tools.image()
        self._home = ownership.claim()
        undo.callback(ownership.release, self._home)
        verdict = ownership.HOMES / ".accelerator"
        with _step("world: accelerator"):
            self._accelerator = accelerator.choose(verdict, self._image.kernel, self._image.initrd)
        with _step("world: region"):
            public = pki.authority("Simulated public CA")
            self.region = undo.enter_context(Region(self._home, _aws(public)))
        with _step("world: cluster"):
            self._start_cluster(undo, public)
        undo.callback(self._terminate_all)

    def _start_cluster(self, undo: contextlib.ExitStack, public: pki.Authority) -> None:
        control = self._home.namespace("control")
        namespaces.make(control, resolver=RESOLVER)
        api_server = API_SERVER6 if self._ipv6 else API_SERVER
        self.region.vpc.attach(control, API_SERVER, API_SERVER6, S3)
        self.cluster = Cluster(
            self._home.path / "cluster", netns=control, address=api_server, s3_address=S3, public=public
        )
        self.region.vpc.know(self.cluster.dns_names)
        namespaces.write_hosts(control, {**self.cluster.dns_names, sts.HOST: PUBLIC})
        undo.callback(self.cluster.stop)
        self.cluster.start()
        manifests = run([sys.executable, "-P", "-m", "agent", "manifests"], environment={"PYTHONPATH": str(REPOSITORY)})
        self.cluster.kubectl("apply", "-f", "-", stdin=manifests)
        self.cluster.kubectl("wait", "crd/nodediagnostics.eks.amazonaws.com", "--for=condition=Established")

    def _boot(self, kernel_arguments: Sequence[str], clock_offset: timedelta) -> Boot:
        image = self._image
        timing = accelerator.kernel_arguments(self._accelerator)
        words = [image.command_line.strip(), *shell.kernel_arguments(), *timing, *kernel_arguments]
        return Boot(image.disk, image.kernel, image.initrd, " ".join(words), clock_offset)

    def _surroundings(self) -> Surroundings:
        return Surroundings(self._home.path, self.region, self.kubectl, self._clone)

    def _clone(self, node: Node, user_data: str | bytes) -> Node:
        return self.launch(user_data, hop_limit=node.imds.hop_limit, data_from=node.folder.data)

    def _known_to_cluster(self, resident: Resident) -> Instance:
        eni = resident.primary
        return Instance(
            instance_id=resident.machine.instance_id,
            instance_type=INSTANCE_TYPE,
            zone=ZONE,
            private_dns_name=private_dns_name(eni),
            addresses=tuple(map(str, eni.addresses6 if self._ipv6 else eni.addresses)),  # of the cluster's family
        )

    def _terminate_all(self) -> None:
        for node in list(self._nodes):
            self.terminate(node)


def _aws(public: pki.Authority) -> pki.Identity:
    return public.server("aws", names=[sts.HOST, ec2.HOST])


@contextlib.contextmanager
def _step(what: str) -> Iterator[None]:
    start = time.monotonic()
    yield
    _say(f"{what}: {time.monotonic() - start:.1f} s")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
