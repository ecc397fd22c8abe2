"""containerd's configuration: version 2 of the format, which containerd 1.x and 2.x read."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import tomli_w

from agent.configure import cri, oci, registries
from agent.configure.schema import dotted
from agent.configure.settings import Settings
from agent.model import FileSpec, Verdict

PATH = "/etc/containerd/config.toml"
BASE_SPEC = "/etc/containerd/base-runtime-spec.json"
# The image brings it; no registry has to be reached before the first pod.
SANDBOX_IMAGE = "localhost/kubernetes/pause:0.1.0"
_VERSION = 2
_MISFIT = "refused: must be of the type of what it replaces; it is left out"
_TLS = "refused: beside config_path containerd would not load with it; it is left out: settings.pki has trusted CAs"


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
    own, spec = _own(settings), settings.containerd.base_runtime_spec
    version = own.get("version", _VERSION)
    if version != _VERSION:
        message = f"accepted, not applied: this image's containerd reads version {_VERSION}, not {version}"
        yield _warning(("config",), message)
    else:
        for path in misfits(_ours(settings), own):
            yield _warning(("config", *path), _MISFIT)
        for plugin in _later_plugins(own):
            yield _warning(("config", "plugins", plugin), f"a name of version 3: without effect in version {_VERSION}")
        for path in cri.tls(settings.containerd.config):
            yield _warning(("config", *path), _TLS)
    for path in misfits(oci.SPEC, spec):
        yield _warning(("base-runtime-spec", *path), _MISFIT)
    yield from registries.remarks(settings)


def laid_over(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Merge tables key by key; anything else of `over` wins, if it is of the type that it replaces."""
    merged = dict(under)
    for name, value in over.items():
        before = merged.get(name, value)
        if _kind(before) is _kind(value):
            merged[name] = laid_over(before, value) if name in under and isinstance(before, Mapping) else value
    return merged


def misfits(under: Mapping[str, Any], over: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Give the path of each value of `over` that is of another type than what is there: a program would end with it."""
    for name, value in over.items():
        before = under.get(name, value)
        if _kind(before) is not _kind(value):
            yield (name,)
        elif name in under and isinstance(before, Mapping):
            yield from ((name, *path) for path in misfits(before, value))


def _kind(value: object) -> type:
    if isinstance(value, Mapping):
        return dict
    return list if isinstance(value, list | tuple) else type(value)


def _later_plugins(own: Mapping[str, Any]) -> list[str]:
    plugins = own.get("plugins")
    return [name for name in plugins if name.startswith(cri.LATER)] if isinstance(plugins, Mapping) else []


def _warning(path: tuple[str, ...], message: str) -> Verdict:
    return Verdict(dotted(("containerd", *path)), "warning", message, "user data")


def _config(settings: Settings) -> dict[str, Any]:
    own = _own(settings)
    ours = _ours(settings)
    return laid_over(ours, own) if own.get("version", _VERSION) == _VERSION else ours


def _own(settings: Settings) -> Mapping[str, Any]:
    """Return the user's configuration as the CRI plug-in loads with it, and finds the mirrors that are settings."""

    def loadable(registry: Mapping[str, Any]) -> Mapping[str, Any]:
        return cri.looking_in(registries.FOLDER, cri.without_tls(registry))

    return cri.with_registries(settings.containerd.config, loadable)


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
            cri.PLUGIN: {
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
