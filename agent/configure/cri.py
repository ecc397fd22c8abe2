"""The CRI plug-in's registries in a configuration of containerd: what it would not load with, beside its `config_path`.

See ValidatePluginConfig in containerd's pkg/cri/config, and ValidateImageConfig in its internal/cri/config.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from agent.configure.schema import Path

PLUGIN = "io.containerd.grpc.v1.cri"
# Version 3 of the format has the CRI plug-in in two (containerd's docs/cri/config.md).
LATER = "io.containerd.cri.v1."
_REGISTRY_OF = (PLUGIN, f"{LATER}images")
Table = Mapping[str, Any]


def registries(config: Table) -> Iterator[tuple[Path, Table]]:
    """Give the tables of registries, by either name of the plug-in, with their paths."""
    for plugin in _REGISTRY_OF:
        path = ("plugins", plugin, "registry")
        found: object = config
        for name in path:
            found = found.get(name) if isinstance(found, Mapping) else None
        if isinstance(found, Mapping):
            yield path, found


def with_registries(config: Table, change: Callable[[Table], Table]) -> Table:
    """Return the configuration with what `change` makes of each table of registries."""
    for (plugins, plugin, registry), found in registries(config):
        table = {**config[plugins][plugin], registry: change(found)}
        config = {**config, plugins: {**config[plugins], plugin: table}}
    return config


def without_mirrors(registry: Table) -> Table:
    return {name: each for name, each in registry.items() if name != "mirrors"}


def without_tls(registry: Table) -> Table:
    if not isinstance(registry.get("configs"), Mapping):
        return registry
    kept = {
        host: {name: each for name, each in table.items() if name != "tls"} if isinstance(table, Mapping) else table
        for host, table in registry["configs"].items()
    }
    return {**registry, "configs": kept}


def tls(config: Table) -> Iterator[Path]:
    """Give the path of each host's `tls`."""
    for path, registry in registries(config):
        configs = registry.get("configs")
        for host, table in configs.items() if isinstance(configs, Mapping) else ():
            if isinstance(table, Mapping) and "tls" in table:
                yield (*path, "configs", host, "tls")


def looking_in(folder: str, registry: Table) -> Table:
    """Return registries whose `config_path` has the folder, before those of the user's own."""
    given = registry.get("config_path")
    if not isinstance(given, str) or folder in given.split(":"):
        return registry
    return {**registry, "config_path": ":".join([folder, *filter(None, given.split(":"))])}
