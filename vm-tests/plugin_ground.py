"""An operator beside a cluster without machines: the plug-in as a command, and kubelets that only hand out logs."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import tools
from diagnostics_ground import OWN, Ground, standing
from world import namespaces
from world.facts import REGION
from world.kubeapi import Api
from world.listener import Listener, listen
from world.reconciler import Reconciler
from world.s3 import HOST

NETNS = "na-test-plugin"
KUBELET_PORT = 10250
COLLECTION = "/apis/eks.amazonaws.com/v1alpha1/nodediagnostics"
LOGS = "/logs/support/"


@dataclass
class Operator:
    """Somebody who has kubectl, a kubeconfig and AWS credentials; `bundles` is what each kubelet hands out."""

    ground: Ground
    folder: Path
    bundles: dict[str, bytes]
    answers: dict[str, dict[str, Any] | None] = field(default_factory=dict)

    def start(self, *arguments: str | Path, terminal: int | None = None) -> subprocess.Popen[str]:
        """Start the plug-in through kubectl, in a session of its own, on a terminal if one is given."""
        session = [] if terminal is None else ["setsid", "--ctty"]
        # A script's job in the background ignores SIGINT, and so would all that it starts.
        within = [*session, "env", "--default-signal=INT", "ip", "netns", "exec", self.ground.netns]
        return subprocess.Popen(
            [*within, "kubectl", "node-diagnostic", *map(str, arguments)],
            stdin=subprocess.DEVNULL if terminal is None else terminal,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if terminal is None else terminal,
            text=True,
            env=self._environment(),
            start_new_session=terminal is None,
        )

    def run(self, *arguments: str | Path, seconds: float = 120) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments)
        return finished(process, seconds)

    def add_nodes(self, names: Sequence[str], **labels: str) -> None:
        """Register nodes whose kubelets are one server of ours."""
        nodes = [{"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}} for name in names]
        self.ground.kubectl("create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": nodes}))
        for name in names:
            self.api().patch(
                f"/api/v1/nodes/{name}/status",
                {
                    "status": {
                        "addresses": [{"type": "InternalIP", "address": OWN}],
                        "daemonEndpoints": {"kubeletEndpoint": {"Port": KUBELET_PORT}},
                    }
                },
            )

    def api(self) -> Api:
        return self.ground.cluster._connect()

    def names(self) -> list[str]:
        """The NodeDiagnostics there are."""
        return self.ground.kubectl("get", "nodediagnostics", "-o", "name").split()

    def answer(self, api: Api, item: dict[str, Any]) -> None:
        """Answer like an agent, with what the test has laid out for the node; None is an agent that is silent."""
        name, said = item["metadata"]["name"], item.get("status", {}).get("captureStatuses")
        completed = self.answers.get(name)
        if said or completed is None:
            return
        when = item["metadata"]["creationTimestamp"]
        times = {"startedAt": when, "observedGeneration": item["metadata"]["generation"]}
        for state in ({"running": times}, {"completed": {**times, "finishedAt": when, **completed}}):
            status = {"captureStatuses": [{"type": "Log", "state": state}]}
            api.patch(f"{COLLECTION}/{name}/status", {"metadata": {"uid": item["metadata"]["uid"]}, "status": status})

    def _environment(self) -> dict[str, str]:
        programs = self.folder / "bin"
        if not programs.exists():
            programs.mkdir()
            (programs / "kubectl").symlink_to(tools.binary("kubectl"))
            (programs / "kubectl-node_diagnostic").symlink_to(Path(sys.executable).with_name("kubectl-node_diagnostic"))
        bucket = self.ground.cluster.s3._bucket
        return {
            "HOME": str(self.folder),
            "PATH": f"{programs}:{os.environ['PATH']}",
            "KUBECONFIG": str(self.ground.cluster.kubeconfig),
            "AWS_ACCESS_KEY_ID": bucket.access_key,
            "AWS_SECRET_ACCESS_KEY": bucket.secret_key,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_CA_BUNDLE": str(self.ground.cluster.site.path("pki/public.crt")),
            # The port is what makes it a private endpoint: it has no name for each bucket.
            "AWS_ENDPOINT_URL_S3": f"https://{HOST}:443",
            "AWS_EC2_METADATA_DISABLED": "true",
        }


def finished(process: subprocess.Popen[str], seconds: float = 60) -> subprocess.CompletedProcess[str]:
    """Wait for the plug-in's end; it is ended when it does not come."""
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        raise AssertionError(f"no end within {seconds} s:\n{out}\n{err}") from None
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@contextlib.contextmanager
def operating(folder: Path) -> Iterator[Operator]:
    """Give an operator on a cluster of his own; all of it ends with the context."""
    with standing(folder, NETNS) as ground, contextlib.ExitStack() as stack:
        operator = Operator(ground, folder, {})
        stack.enter_context(_kubelets(operator))
        agents = Reconciler(COLLECTION, operator.answer, log=folder / "agents.log")
        stack.callback(agents.stop)
        agents.start(NETNS, operator.api)
        with namespaces.entered(NETNS):
            yield operator


@contextlib.contextmanager
def _kubelets(operator: Operator) -> Iterator[None]:
    """Serve what kubelets have below /logs/, under the certificate that the API server expects."""
    cluster = operator.ground.cluster
    certificate, key = cluster._authority.server("kubelet", names=[OWN]).write(operator.folder, "kubelet")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            name = self.path.removeprefix(LOGS)
            shelf = operator.ground.root / "var/log/support" / name
            found = shelf.read_bytes() if shelf.is_file() else operator.bundles.get(name.removesuffix("-logs.tar.gz"))
            self.send_response(404 if found is None else 200)
            self.send_header("Content-Length", str(len(found or b"")))
            self.end_headers()
            self.wfile.write(found or b"")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with namespaces.entered(NETNS):
        server = Listener(listen(OWN, KUBELET_PORT), Handler, tls)
    server.start()
    try:
        yield
    finally:
        server.stop()
