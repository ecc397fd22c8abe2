"""What is true of every world: one account, one region, one cluster's settings."""

from __future__ import annotations

from dataclasses import dataclass

REGION = "us-west-2"
ZONE = "us-west-2a"
ACCOUNT = "123456789012"
NODE_ROLE = "node-role"
CLUSTER_NAME = "demo"


@dataclass(frozen=True)
class Services:
    """The network of a cluster's Services, and the addresses in it that EKS gives by number."""

    network: str
    kubernetes: str
    dns: str


SERVICES = Services("172.20.0.0/16", "172.20.0.1", "172.20.0.10")
SERVICES6 = Services("fd30:1c53:5f8a::/108", "fd30:1c53:5f8a::1", "fd30:1c53:5f8a::a")
