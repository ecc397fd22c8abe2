"""A cluster without machines in a namespace, asked as a node and as a person would."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import socket
import ssl
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

import tools
from world import kubeconfig, namespaces, pki, sts
from world.cluster import Cluster
from world.facts import CLUSTER_NAME, REGION, ZONE
from world.inventory import Instance
from world.listener import listen
from world.processes import run
from world.roles import Roles
from world.site import is_ipv6

NETNS = "na-test-cluster"
STS = "10.0.0.12"
NODE = Instance(
    instance_id="i-0123456789abcdef0",
    instance_type="m7i.large",
    zone=ZONE,
    private_dns_name="ip-10-0-0-100.us-west-2.compute.internal",
    addresses=("10.0.0.100",),
)
UNINITIALIZED = {"key": "node.cloudprovider.kubernetes.io/uninitialized", "value": "true", "effect": "NoSchedule"}


@dataclass(frozen=True)
class Ground:
    """A running cluster, the roles STS knows, and what signs AWS's certificates."""

    cluster: Cluster
    roles: Roles
    public: pki.Authority
    sts: sts.Service

    def as_node(
        self,
        *arguments: str,
        instance_id: str = NODE.instance_id,
        cluster: str = CLUSTER_NAME,
        stdin: Any = None,
    ) -> str:
        """Run kubectl with a token of the instance's own role credentials."""
        authority = self.cluster.site.path("pki/ca.crt").read_bytes()
        config = kubeconfig.write(
            self.cluster.site.path("node.kubeconfig"),
            server=self.cluster.site.server,
            authority=authority,
            token=self.token(instance_id, cluster),
        )
        text = None if stdin is None else json.dumps(stdin)
        return run([tools.binary("kubectl"), f"--kubeconfig={config}", *arguments], stdin=text, netns=NETNS)

    def token(self, instance_id: str, cluster: str) -> str:
        issued = self.roles.issue(instance_id)
        keys = Credentials(issued.access_key_id, issued.secret_access_key, issued.session_token)
        url = f"https://{sts.HOST}/?Action=GetCallerIdentity&Version=2011-06-15"
        request = AWSRequest("GET", url, headers={"x-k8s-aws-id": cluster})
        SigV4QueryAuth(keys, "sts", REGION, expires=60).add_auth(request)
        return "k8s-aws-v1." + base64.urlsafe_b64encode(request.url.encode()).decode().rstrip("=")

    def put(self, url: str, body: bytes | Iterable[bytes]) -> tuple[int, bytes]:
        """PUT as a client in the VPC; a body of unknown length goes in chunks."""
        parts = urlsplit(url)
        with namespaces.entered(NETNS):
            raw = socket.create_connection((self.cluster.s3.address, 443), timeout=10)
        context = ssl.create_default_context(cadata=self.public.certificate.decode())
        connection = http.client.HTTPSConnection(str(parts.hostname))
        connection.sock = context.wrap_socket(raw, server_hostname=parts.hostname)
        connection.request("PUT", f"{parts.path}?{parts.query}", body)
        response = connection.getresponse()
        answer = response.status, response.read()
        connection.close()
        return answer


@contextlib.contextmanager
def standing(folder: Path, *, api: str, s3: str, node: Instance = NODE) -> Iterator[Ground]:
    """Start a cluster that knows one instance, and STS; all of it ends with the context."""
    namespaces.delete(NETNS)
    public, roles = pki.authority("Test services"), Roles()
    cluster = Cluster(folder / "cluster", netns=NETNS, address=api, s3_address=s3, public=public)
    namespaces.make(NETNS, hosts={**cluster.dns_names, sts.HOST: STS}, resolver="127.0.0.1")
    for address in (api, s3, STS):
        prefix = f"{address}/128" if is_ipv6(address) else f"{address}/32"
        run(["ip", "-n", NETNS, "address", "add", prefix, "dev", "lo"])
    certificate, key = public.server(sts.HOST, names=[sts.HOST]).write(folder, "sts")
    with namespaces.entered(NETNS):
        service = sts.Service(listen(STS, sts.PORT), certificate, key, roles)
    service.start()
    try:
        cluster.register(node)
        cluster.start()
        yield Ground(cluster, roles, public, service)
    finally:
        cluster.stop()
        service.stop()
        namespaces.delete(NETNS)


def node_object(instance: Instance) -> dict[str, Any]:
    """A node as kubelet registers it, before the cloud's side has seen it."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": instance.instance_id},
        "spec": {"providerID": instance.provider_id, "taints": [UNINITIALIZED]},
    }


def initialized(ground: Ground, instance: Instance = NODE) -> dict[str, Any] | None:
    """The node once the cloud's side has lifted its taint."""
    node: dict[str, Any] = json.loads(ground.cluster.kubectl("get", "node", instance.instance_id, "-o", "json"))
    keys = {taint["key"] for taint in node["spec"].get("taints", [])}
    return None if UNINITIALIZED["key"] in keys else node
