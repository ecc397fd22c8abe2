"""The two places that bundles go to: a bucket, and the node's own disk."""

from dataclasses import dataclass
from typing import IO

from kubectl_node_diagnostic import objects
from kubectl_node_diagnostic.cluster import Cluster
from kubectl_node_diagnostic.s3 import Bucket, Place


@dataclass(frozen=True, slots=True)
class InBucket:
    """Nodes upload to S3; each URL takes one PUT of one key for a while."""

    bucket: Bucket
    place: Place
    run: str
    expires: int

    def offer(self, node: str) -> tuple[str, str]:
        key = self.place.key(node, self.run)
        return self.bucket.sign(key, self.expires), self.place.url(key)

    def fetch(self, node: str, target: IO[bytes], *, limit: int) -> None:
        self.bucket.fetch(self.place.key(node, self.run), target, limit=limit)


@dataclass(frozen=True, slots=True)
class OnNode:
    """Nodes keep their bundles for ten minutes; the kubelet hands them out through the API server."""

    cluster: Cluster

    def offer(self, node: str) -> tuple[str, str]:
        return objects.ON_NODE, objects.log_path(node)

    def fetch(self, node: str, target: IO[bytes], *, limit: int) -> None:
        self.cluster.fetch(node, target, limit=limit)
