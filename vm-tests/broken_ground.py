"""A node without a machine, to be broken: a namespace in the VPC, a tree that `configure` rendered, a real cluster."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import played
from world import ec2, namespaces, ownership, pki, sts
from world.cluster import Cluster
from world.facts import ZONE
from world.inventory import Instance
from world.machines import INSTANCE_TYPE, USER_DATA, private_dns_name
from world.ownership import Home
from world.processes import run
from world.region import Region, Resident
from world.vpc import PUBLIC

API, S3, RESOLVER = "10.0.0.10", "10.0.0.11", "10.0.0.2"
REPOSITORY = Path(__file__).resolve().parents[1]
NETWORK = "import sys; from pathlib import Path; from agent.network import daemon; root = Path(sys.argv[1]); "
NETWORK += "daemon.run(None, root / 'run/node-agent/enis.json', once=True, root=root)"
DRIVER = "import sys; from pathlib import Path; from agent.doctor import daemon, report; "
DRIVER += "sys.stdout.write(report.as_json(daemon.examine(root=Path(sys.argv[1]))))"
# What differs from one run to the next, and what stands for it in the documentation.
VARYING = (
    (re.compile(r"\bi-[0-9a-f]{17}\b"), "i-0123456789abcdef0"),
    (re.compile(r"\b[0-9A-Fa-f]{32}(?=\.gr[78]\b)"), "0123456789ABCDEF"),
    (re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"), "2026-01-01T00:00:00Z"),
    (re.compile(r"\b(answers(?: [A-Z]+)?) in \d+ ms"), r"\1 in 3 ms"),
    (re.compile(r"\bfor \d+ s\b"), "for 300 s"),
    (re.compile(r"\b02:ec(:[0-9a-f]{2}){4}\b"), "02:ec:00:01:ab:01"),
    (re.compile(r"\.toml: \(\d+, \d+\)"), ".toml: (1, 2)"),
    (re.compile(r"\b(59 min \d+ s|1 h \d+ (s|min)) ahead"), "1 h ahead"),
    (re.compile(r"\b\d+ of \d+ (MiB|inodes)"), r"0 of 4000 \1"),
)


@dataclass
class Ground:
    """The region and the cluster, and the namespace and the tree that are the node."""

    home: Home
    region: Region
    cluster: Cluster
    resident: Resident
    root: Path
    spaces: list[str] = field(default_factory=list)

    @property
    def netns(self) -> str:
        return self.home.namespace("node")

    def configure(self, user_data: str) -> None:
        """Give the node user data, and have the agent render it; where it refuses, its status says why."""
        shutil.rmtree(self.root, ignore_errors=True)
        # As the doctor reads it below its root; the C library reads the namespace's own.
        (self.root / "etc").mkdir(parents=True)
        (self.root / "etc/resolv.conf").write_text(f"nameserver {RESOLVER}\n")
        self.resident.metadata.set(USER_DATA, user_data)
        self._agent("-m", "agent", "configure", "--root", str(self.root))

    def doctor(self, netns: str | None = None) -> dict[str, Any]:
        """Return the doctor's report, asked in the node's namespace or another."""
        text = self._agent("-c", DRIVER, str(self.root), netns=netns)
        found: dict[str, Any] = json.loads(text)
        return found

    def network(self) -> None:
        """Have the agent look at the ENIs once; where one is not usable, its snapshot says why."""
        self._agent("-c", NETWORK, str(self.root))

    @contextlib.contextmanager
    def rules(self, text: str) -> Iterator[None]:
        """Let a packet filter stand in the node's way while the context lasts."""
        run(["nft", "-f", "-"], stdin=f"table inet broken {{\n{text}\n}}\n", netns=self.netns)
        try:
            yield
        finally:
            run(["nft", "delete", "table", "inet", "broken"], netns=self.netns)

    def ip(self, words: str) -> None:
        run(["ip", "-n", self.netns, *words.split()])

    def plug(self) -> None:
        """Plug the node in, or in anew after something was taken from its interface."""
        played.readdress(self.netns, self.resident.primary)

    def _agent(self, *arguments: str, netns: str | None = None) -> str:
        environment = {"PYTHONPATH": str(REPOSITORY)}
        argv = [sys.executable, *arguments]
        return run(argv, netns=netns or self.netns, environment=environment, check=False, timeout=120)


@contextlib.contextmanager
def standing() -> Iterator[Ground]:
    """Start a region, a cluster and a node without a machine; all of it ends with the context."""
    home = ownership.claim()
    public = pki.authority("Simulated public CA")
    with contextlib.ExitStack() as stack:
        stack.callback(ownership.release, home)
        region = stack.enter_context(Region(home, public.server("aws", names=[sts.HOST, ec2.HOST])))
        control = home.namespace("control")
        namespaces.make(control, resolver=RESOLVER)
        region.vpc.attach(control, API, S3)
        cluster = Cluster(home.path / "cluster", netns=control, address=API, s3_address=S3, public=public)
        region.vpc.know(cluster.dns_names)
        namespaces.write_hosts(control, {**cluster.dns_names, sts.HOST: PUBLIC})
        stack.callback(cluster.stop)
        cluster.start()
        resident = region.create()
        ground = Ground(home, region, cluster, resident, home.path / "node")
        namespaces.make(ground.netns, resolver=RESOLVER)
        played.plug(region, ground.netns, resident.primary)
        cluster.register(_instance(resident))
        yield ground


def _instance(resident: Resident) -> Instance:
    return Instance(
        instance_id=resident.machine.instance_id,
        instance_type=INSTANCE_TYPE,
        zone=ZONE,
        private_dns_name=private_dns_name(resident.primary),
        addresses=(str(resident.primary.addresses[0]),),
    )


def settled(text: str) -> str:
    """Return a headline with what varies replaced, as the documentation prints it."""
    for pattern, example in VARYING:
        text = pattern.sub(example, text)
    return text
