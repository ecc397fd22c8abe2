"""containerd's configuration: version 2 of the format, which containerd 1.x and 2.x read."""

from typing import Any

import tomli_w

from agent.model import FileSpec

PATH = "/etc/containerd/config.toml"
# The image brings it; no registry has to be reached before the first pod.
SANDBOX_IMAGE = "localhost/kubernetes/pause:0.1.0"


def files() -> list[FileSpec]:
    return [FileSpec(PATH, tomli_w.dumps(_config()).encode())]


def _config() -> dict[str, Any]:
    return {
        "version": 2,
        "root": "/var/lib/containerd",
        "state": "/run/containerd",
        "grpc": {"address": "/run/containerd/containerd.sock"},
        "plugins": {
            "io.containerd.grpc.v1.cri": {
                "sandbox_image": SANDBOX_IMAGE,
                "cni": {"bin_dir": "/usr/lib/cni", "conf_dir": "/etc/cni/net.d"},
                "containerd": {
                    "default_runtime_name": "runc",
                    "discard_unpacked_layers": True,
                    "runtimes": {
                        "runc": {"runtime_type": "io.containerd.runc.v2", "options": {"SystemdCgroup": True}},
                    },
                },
                "registry": {"config_path": "/etc/containerd/certs.d"},
            },
        },
    }
