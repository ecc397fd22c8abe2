"""What is true of every world: one account, one region, one cluster's settings."""

from __future__ import annotations

REGION = "us-west-2"
ZONE = "us-west-2a"
ACCOUNT = "123456789012"
NODE_ROLE = "node-role"
CLUSTER_NAME = "demo"
SERVICE_NETWORK = "172.20.0.0/16"
KUBERNETES_SERVICE = "172.20.0.1"
CLUSTER_DNS = "172.20.0.10"
