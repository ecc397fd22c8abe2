"""Registries: where containerd fetches images instead, and who the node is to them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

import tomli_w

from agent.configure.host_rules import Credential, Mirror
from agent.configure.schema import dotted
from agent.configure.settings import Settings
from agent.model import FileSpec, Verdict

FOLDER = "/etc/containerd/certs.d"
# Docker Hub's images are named for the one, and come from the other.
_HUB, _HUB_HOST = "docker.io", "registry-1.docker.io"
_EVERY, _EVERY_FOLDER = "*", "_default"


def files(settings: Settings) -> list[FileSpec]:
    """Return hosts.toml of every registry that has mirrors; the registry itself is asked last, by containerd."""
    mirrors = settings.container_registry.mirrors
    registries = sorted({mirror.registry for mirror in mirrors})
    return [_file(registry, [mirror for mirror in mirrors if mirror.registry == registry]) for registry in registries]


def remarks(settings: Settings) -> Iterator[Verdict]:
    """Say of which registry there are credentials more than once, under one name of it or two."""
    path = dotted(("container-registry", "credentials"))
    hosts = Counter(_host(each.registry) for each in settings.container_registry.credentials)
    for host, number in sorted(hosts.items()):
        if number > 1:
            yield Verdict(path, "warning", f"{host} has credentials {number} times: the last ones count", "user data")


def credentials(settings: Settings) -> dict[str, Any]:
    """Return the part of the CRI plug-in's table; hosts.toml has no place for what a token server is told."""
    known = {_host(each.registry): {"auth": _auth(each)} for each in settings.container_registry.credentials}
    return {"configs": dict(sorted(known.items()))} if known else {}


def _file(registry: str, mirrors: Sequence[Mirror]) -> FileSpec:
    """Return the mirrors of all entries in their order; an endpoint that stands twice counts where it is first."""
    hosts: dict[str, Any] = {}
    for mirror in mirrors:
        hosts |= {endpoint: host for endpoint, host in _hosts(mirror).items() if endpoint not in hosts}
    mode = 0o600 if any(urlsplit(endpoint).password for endpoint in hosts) else 0o644
    return FileSpec(f"{FOLDER}/{_folder(registry)}/hosts.toml", tomli_w.dumps({"host": hosts}).encode(), mode)


def _hosts(mirror: Mirror) -> dict[str, Any]:
    """Return the mirrors in the order of the list, which containerd keeps."""
    hosts: dict[str, Any] = {}
    for endpoint in mirror.endpoints:
        hosts[endpoint] = {"capabilities": list(mirror.capabilities)}
        if "v2" in urlsplit(endpoint).path.split("/"):
            # containerd would put another /v2 after it.
            hosts[endpoint]["override_path"] = True
    return hosts


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
