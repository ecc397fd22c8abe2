"""A container image made here: busybox alone, as content that a registry takes and a node can run."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
PAGE = b"served by a pod\n"
WEB_PORT = 8080


@dataclass(frozen=True)
class Blob:
    """Content under its digest."""

    media_type: str
    content: bytes

    @property
    def digest(self) -> str:
        return f"sha256:{hashlib.sha256(self.content).hexdigest()}"

    @property
    def descriptor(self) -> dict[str, Any]:
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.content)}


@dataclass(frozen=True)
class Image:
    """An image of one layer."""

    layer: Blob
    config: Blob

    @property
    def manifest(self) -> Blob:
        body = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.config.descriptor,
            "layers": [self.layer.descriptor],
        }
        return Blob(MANIFEST, json.dumps(body).encode())


def busybox(program: Path) -> Image:
    """Return an image that serves one page."""
    layer = Blob(LAYER, _tar({"bin/busybox": (program.read_bytes(), 0o755), "www/index.html": (PAGE, 0o644)}))
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Entrypoint": ["/bin/busybox"], "Cmd": ["httpd", "-f", "-p", str(WEB_PORT), "-h", "/www"]},
        "rootfs": {"type": "layers", "diff_ids": [layer.digest]},
    }
    return Image(layer, Blob(CONFIG, json.dumps(config).encode()))


def _tar(files: Mapping[str, tuple[bytes, int]]) -> bytes:
    """Pack files so that the same content is always the same bytes."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, (content, mode) in sorted(files.items()):
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), mode
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()
