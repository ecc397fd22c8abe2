"""containerd's configuration: version 2 of the format, which containerd 1.x and 2.x read."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import tomli_w

from agent.configure import oci, registries
from agent.configure.schema import dotted
from agent.configure.settings import Settings
from agent.model import FileSpec, Verdict

PATH = "/etc/containerd/config.toml"
BASE_SPEC = "/etc/containerd/base-runtime-spec.json"
# The image brings it; no registry has to be reached before the first pod.
SANDBOX_IMAGE = "localhost/kubernetes/pause:0.1.0"
_VERSION = 2
_CRI = "io.containerd.grpc.v1.cri"


def files(settings: Settings) -> list[FileSpec]:
    """Return the configuration; whoever may read it knows the registries' credentials."""
    mode = 0o600 if settings.container_registry.credentials or settings.containerd.config else 0o644
    found = [FileSpec(PATH, tomli_w.dumps(_config(settings)).encode(), mode), *registries.files(settings)]
    own = settings.containerd.base_runtime_spec
    if own:
        spec = json.dumps(laid_over(oci.SPEC, own), indent=2, sort_keys=True) + "\n"
        found.append(FileSpec(BASE_SPEC, spec.encode()))
    return found


def remarks(settings: Settings) -> Iterator[Verdict]:
    version = settings.containerd.config.get("version", _VERSION)
    if version != _VERSION:
        message = f"accepted, not applied: this image's containerd reads version {_VERSION}, not {version}"
        yield Verdict(dotted(("containerd", "config")), "warning", message, "user data")
    yield from registries.remarks(settings)


def laid_over(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Merge tables key by key; anything else of `over` wins."""
    merged = dict(under)
    for name, value in over.items():
        before = merged.get(name)
        both = isinstance(before, Mapping) and isinstance(value, Mapping)
        merged[name] = laid_over(before, value) if both else value  # type: ignore[arg-type] # both are tables
    return merged


def _config(settings: Settings) -> dict[str, Any]:
    own = settings.containerd.config
    ours = _ours(settings)
    return laid_over(ours, own) if own.get("version", _VERSION) == _VERSION else ours


def _ours(settings: Settings) -> dict[str, Any]:
    runtime = {"runtime_type": "io.containerd.runc.v2", "options": {"SystemdCgroup": True}}
    if settings.containerd.base_runtime_spec:
        runtime["base_runtime_spec"] = BASE_SPEC
    level = settings.container_runtime.log_level
    return {
        "version": _VERSION,
        "root": "/var/lib/containerd",
        "state": "/run/containerd",
        **({"debug": {"level": level}} if level else {}),
        "grpc": {"address": "/run/containerd/containerd.sock"},
        "plugins": {
            _CRI: {
                "sandbox_image": SANDBOX_IMAGE,
                **_chosen(settings),
                "cni": {"bin_dir": "/usr/lib/cni", "conf_dir": "/etc/cni/net.d"},
                "containerd": {
                    "default_runtime_name": "runc",
                    "discard_unpacked_layers": True,
                    "runtimes": {"runc": runtime},
                },
                "registry": {"config_path": registries.FOLDER, **registries.credentials(settings)},
            },
        },
    }


def _chosen(settings: Settings) -> dict[str, Any]:
    runtime = settings.container_runtime
    chosen = {
        "device_ownership_from_security_context": settings.kubernetes.device_ownership_from_security_context,
        "enable_unprivileged_icmp": runtime.enable_unprivileged_icmp,
        "enable_unprivileged_ports": runtime.enable_unprivileged_ports,
        "max_concurrent_downloads": runtime.max_concurrent_downloads,
        "max_container_log_line_size": runtime.max_container_log_line_size,
    }
    return {name: value for name, value in chosen.items() if value is not None}
