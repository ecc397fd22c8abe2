"""Registries: where containerd fetches images instead, and who the node is to them."""

from typing import Any
from urllib.parse import urlsplit

import tomli_w

from agent.configure.host_rules import Credential, Mirror
from agent.configure.settings import Settings
from agent.model import FileSpec

FOLDER = "/etc/containerd/certs.d"
# Docker Hub's images are named for the one, and come from the other.
_HUB, _HUB_HOST = "docker.io", "registry-1.docker.io"
_EVERY, _EVERY_FOLDER = "*", "_default"


def files(settings: Settings) -> list[FileSpec]:
    """Return hosts.toml of every registry that has mirrors; the registry itself is asked last, by containerd."""
    return [
        FileSpec(f"{FOLDER}/{_folder(mirror.registry)}/hosts.toml", tomli_w.dumps(_hosts(mirror)).encode())
        for mirror in sorted(settings.container_registry.mirrors, key=lambda mirror: mirror.registry)
    ]


def credentials(settings: Settings) -> dict[str, Any]:
    """Return the part of the CRI plug-in's table; hosts.toml has no place for what a token server is told."""
    known = sorted(settings.container_registry.credentials, key=lambda each: each.registry)
    return {"configs": {_host(each.registry): {"auth": _auth(each)} for each in known}} if known else {}


def _hosts(mirror: Mirror) -> dict[str, Any]:
    """Return the mirrors in the order of the list, which containerd keeps."""
    hosts: dict[str, Any] = {}
    for endpoint in mirror.endpoints:
        hosts[endpoint] = {"capabilities": list(mirror.capabilities)}
        if "v2" in urlsplit(endpoint).path.split("/"):
            # containerd would put another /v2 after it.
            hosts[endpoint]["override_path"] = True
    return {"host": hosts}


def _auth(credential: Credential) -> dict[str, str]:
    given = {
        "auth": credential.auth,
        "identitytoken": credential.identitytoken,
        "password": credential.password,
        "username": credential.username,
    }
    return {name: value for name, value in given.items() if value}


def _host(registry: str) -> str:
    return _HUB_HOST if registry == _HUB else registry


def _folder(registry: str) -> str:
    return _EVERY_FOLDER if registry == _EVERY else registry
