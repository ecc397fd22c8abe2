"""A cluster without a machine: the node is a folder and a namespace, and the daemon a process of this host."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent import manifests
from middleman import Fault, Middleman
from world import imds, namespaces, pki, sts
from world.cluster import Cluster
from world.facts import CLUSTER_NAME, REGION, ZONE
from world.listener import listen
from world.metadata import Metadata
from world.processes import run
from world.roles import Roles
from world.s3 import HOST as S3_HOST
from world.waiting import until

# Two runs beside each other have a namespace each; one that died is swept by the next.
_PREFIX = "na-test-diagnostics-"
NETNS = f"{_PREFIX}{os.getpid()}"
API, S3, STS, FAULTY, OWN = "10.0.0.10", "10.0.0.11", "10.0.0.12", "10.0.0.13", "10.0.0.100"
NODE = "i-0123456789abcdef0"
DRIVER = Path(__file__).with_name("diagnostics_process.py")


@dataclass
class Ground:
    """A cluster with the agent's manifests, and a node that is a folder and a namespace."""

    cluster: Cluster
    root: Path
    metadata_url: str
    # Certificate and key of whoever stands between the node and S3.
    faulty: tuple[Path, Path]
    netns: str = NETNS
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self) -> subprocess.Popen[bytes]:
        command = ["ip", "netns", "exec", self.netns, sys.executable, DRIVER, self.root]
        environment = {**os.environ, "AWS_EC2_METADATA_SERVICE_ENDPOINT": self.metadata_url}
        # S3 is on the loopback interface here, so that the daemon takes it for the node itself.
        environment["NODE_AGENT_UPLOAD_ALLOW"] = f"{S3},{FAULTY}"
        with self.journal.open("ab") as journal:
            self.running.append(subprocess.Popen(command, env=environment, stderr=journal))
        return self.running[-1]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        process = self.running.pop()
        process.send_signal(number)
        process.wait(30)

    @property
    def journal(self) -> Path:
        return self.root / "journal"

    @property
    def packet_spool(self) -> list[str]:
        folder = self.root / "var/lib/node-agent/packets"
        return sorted(entry.name for entry in folder.iterdir()) if folder.exists() else []

    @property
    def spool(self) -> list[str]:
        folder = self.root / "var/lib/node-agent/spool"
        return sorted(entry.name for entry in folder.iterdir()) if folder.exists() else []

    def ask(self, destination: str, *, categories: list[str] | None = None, name: str = NODE) -> int:
        capture = {"destination": destination, "categories": categories or ["Base", "System"]}
        return self.apply({"logCapture": capture}, name)

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        return self.cluster.kubectl(*arguments, stdin=stdin)

    def entry(self, kind: str = "Log", name: str = NODE) -> dict[str, Any]:
        text = self.kubectl("get", "nodediagnostic", name, "-o", "json", "--ignore-not-found")
        statuses = json.loads(text).get("status", {}).get("captureStatuses", []) if text else []
        return next((entry["state"] for entry in statuses if entry["type"] == kind), {})

    def ended(self, generation: int, *, kind: str = "Log", seconds: float = 60) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            found: dict[str, Any] | None = self.entry(kind).get("completed")
            return found if found and found["observedGeneration"] == generation else None

        return until(look, seconds, f"the capture of generation {generation} ends")

    def apply(self, spec: dict[str, Any], name: str = NODE) -> int:
        """Apply an object, and return its generation."""
        body = {
            "apiVersion": "eks.amazonaws.com/v1alpha1",
            "kind": "NodeDiagnostic",
            "metadata": {"name": name},
            "spec": spec,
        }
        applied = self.kubectl("apply", "-f", "-", "-o", "json", stdin=json.dumps(body))
        return int(json.loads(applied)["metadata"]["generation"])

    @contextlib.contextmanager
    def hindered(self, *faults: Fault) -> Iterator[Middleman]:
        """Put a man in the middle of the way to S3, who does this to each connection in turn, and then nothing."""
        names = dict(self.cluster.dns_names)
        with namespaces.entered(self.netns):
            man = Middleman(listen(FAULTY, 443), self.faulty, (self.netns, S3, S3_HOST), faults)
        namespaces.write_hosts(self.netns, {**names, S3_HOST: FAULTY, sts.HOST: STS})
        try:
            yield man
        finally:
            namespaces.write_hosts(self.netns, {**names, sts.HOST: STS})
            man.stop()

    def puts(self, key: str) -> list[int]:
        return [request.status for request in self.cluster.s3.requests() if request.key == key]


@contextlib.contextmanager
def standing(folder: Path, netns: str = NETNS) -> Iterator[Ground]:
    """Start the cluster with its metadata service and STS in a namespace; all of it ends with the context."""
    namespaces.delete(netns)
    for name in namespaces.names(_PREFIX):
        if not Path("/proc", name.removeprefix(_PREFIX)).exists():
            namespaces.delete(name)
    public, roles = pki.authority("Test services"), Roles()
    cluster = Cluster(folder / "cluster", netns=netns, address=API, s3_address=S3, public=public)
    namespaces.make(netns, hosts={**cluster.dns_names, sts.HOST: STS}, resolver="127.0.0.1")
    with contextlib.ExitStack() as stack:
        stack.callback(namespaces.delete, netns)
        for address in (API, S3, STS, FAULTY, OWN):
            run(["ip", "-n", netns, "address", "add", f"{address}/32", "dev", "lo"])
        certificate, key = public.server(sts.HOST, names=[sts.HOST]).write(folder, "sts")
        with namespaces.entered(netns):
            service = sts.Service(listen(STS, sts.PORT), certificate, key, roles)
            url = stack.enter_context(imds.serving(_metadata(roles)))
        stack.callback(service.stop)
        service.start()
        stack.callback(cluster.stop)
        cluster.start()
        cluster.kubectl("apply", "-f", "-", stdin=manifests.render())
        cluster.kubectl("wait", "--for=condition=Established", "crd/nodediagnostics.eks.amazonaws.com", "--timeout=30s")
        faulty = public.server(S3_HOST, names=[S3_HOST]).write(folder, "faulty")
        yield Ground(cluster, _node(folder / "node", cluster, public), url, faulty, netns)


def _metadata(roles: Roles) -> Metadata:
    document = {"instanceId": NODE, "region": REGION, "availabilityZone": ZONE, "accountId": "123456789012"}
    more = {"instanceType": "m7i.large", "imageId": "ami-0123456789abcdef0", "privateIp": OWN}
    return Metadata(
        {
            "meta-data/instance-id": NODE,
            "meta-data/local-ipv4": OWN,
            "meta-data/placement/region": REGION,
            "meta-data/placement/availability-zone": ZONE,
            "meta-data/services/domain": "amazonaws.com",
            "meta-data/iam/security-credentials/node-role": roles.issue(NODE).document(),
            "dynamic/instance-identity/document": json.dumps({**document, **more}),
        }
    )


def _node(root: Path, cluster: Cluster, public: pki.Authority) -> Path:
    """Render what configure renders for the daemon."""
    kubeconfig = {
        "clusters": [
            {"cluster": {"server": cluster.site.server, "certificate-authority": "/etc/kubernetes/pki/ca.crt"}}
        ],
        "users": [{"name": f"system:node:{NODE}", "user": {"exec": {"args": ["token", "--cluster", CLUSTER_NAME]}}}],
    }
    files = {
        "etc/kubernetes/kubelet/kubeconfig": json.dumps(kubeconfig).encode(),
        "etc/kubernetes/kubelet/config.json": b'{"clusterDNS": ["172.20.0.10"]}',
        "etc/kubernetes/pki/ca.crt": cluster.site.path("pki/ca.crt").read_bytes(),
        "etc/ssl/certs/ca-certificates.crt": public.certificate,
        "var/log/messages": b"one line\n",
    }
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    return root
