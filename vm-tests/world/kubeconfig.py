"""Kubeconfig files; JSON, which every reader of YAML takes."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from world.pki import Identity


def write(
    path: Path, *, server: str, authority: bytes, identity: Identity | None = None, token: str | None = None
) -> Path:
    """Write a kubeconfig for one server and a client with a certificate, a token or neither."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "world", "cluster": {"server": server, "certificate-authority-data": _base64(authority)}}
        ],
        "users": [{"name": "world", "user": _user(identity, token)}],
        "contexts": [{"name": "world", "context": {"cluster": "world", "user": "world"}}],
        "current-context": "world",
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(content, indent=2))
    return path


def _user(identity: Identity | None, token: str | None) -> dict[str, str]:
    if identity is None:
        return {} if token is None else {"token": token}
    return {
        "client-certificate-data": _base64(identity.certificate),
        "client-key-data": _base64(identity.key),
    }


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
