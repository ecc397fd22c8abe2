"""User data as people send it: what lets a node join a cluster, in each form that launches use."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from world.facts import Services

# As Karpenter writes it, down to the boundary.
BOUNDARY = "//"
NODE_CONFIG = "application/node.eks.aws"
TOML = "application/toml"
SHELL = 'text/x-shellscript; charset="us-ascii"'


@dataclass(frozen=True)
class Join:
    """What a node must be told to join a cluster."""

    api_server: str
    certificate: bytes
    cluster: str
    services: Services

    def toml(self) -> str:
        """Bottlerocket's settings."""
        lines = [
            "[settings.kubernetes]",
            f'api-server = "{self.api_server}"',
            f'cluster-certificate = "{encoded(self.certificate)}"',
            f'cluster-name = "{self.cluster}"',
            f'cluster-dns-ip = "{self.services.dns}"',
        ]
        return "\n".join(lines) + "\n"

    def node_config(self, kubelet: Mapping[str, Any] | None = None) -> str:
        """A NodeConfig as nodeadm takes it, in JSON, which is YAML too."""
        cluster = {
            "name": self.cluster,
            "apiServerEndpoint": self.api_server,
            "certificateAuthority": encoded(self.certificate),
            "cidr": self.services.network,
        }
        return node_config({"cluster": cluster, **({"kubelet": kubelet} if kubelet else {})})


def node_config(spec: Mapping[str, Any]) -> str:
    """A NodeConfig that says nothing else than this."""
    body = {"apiVersion": "node.eks.aws/v1alpha1", "kind": "NodeConfig", "spec": spec}
    return json.dumps(body, indent=2) + "\n"


def bundle(name: str, certificate: bytes) -> str:
    """Settings that trust an authority."""
    return f'[settings.pki.{name}]\ndata = "{encoded(certificate)}"\ntrusted = true\n'


def mime(parts: Sequence[tuple[str, str]]) -> str:
    """A multipart document of content types and bodies."""
    lines = ["MIME-Version: 1.0", f'Content-Type: multipart/mixed; boundary="{BOUNDARY}"', ""]
    for content_type, body in parts:
        lines += [f"--{BOUNDARY}", f"Content-Type: {content_type}", "", body]
    return "\n".join([*lines, f"--{BOUNDARY}--", ""])


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()
