"""A load balancer of the API server that has nobody to ask: TLS as the cluster's, and 503."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from world import namespaces
from world.cluster import Cluster
from world.listener import Listener, listen


class Alone(BaseHTTPRequestHandler):
    """Says what a load balancer without backends says."""

    def do_POST(self) -> None:
        body = b"no healthy upstream"
        self.send_response(503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words: object) -> None:
        """Keep the tests' output clean."""


@contextlib.contextmanager
def standing(cluster: Cluster, folder: Path) -> Iterator[str]:
    """Listen beside the API server; gives the address and port."""
    identity = cluster.authority.server("kube-apiserver", names=list(cluster.dns_names))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*identity.write(folder, "balancer"))
    address = cluster.site.address
    with namespaces.entered(cluster.site.netns):
        listening = listen(address)
    port = listening.getsockname()[1]
    listener = Listener(listening, Alone, context)
    listener.start()
    try:
        yield f"{address}:{port}"
    finally:
        listener.stop()
