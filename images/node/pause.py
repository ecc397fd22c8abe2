"""Writes the sandbox image of pods as an OCI archive: pause.py TREE. All that is in it is the tree's catatonit."""

import hashlib
import io
import json
import sys
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# As configure tells containerd (agent/configure/containerd.py).
NAME = "localhost/kubernetes/pause:0.1.0"
PROGRAM = "usr/bin/catatonit"
ARCHIVE = "usr/share/node-agent/pause.tar"
TYPES = "application/vnd.oci.image"


@dataclass(frozen=True)
class Blob:
    """Content of the image, which others name by its digest."""

    media_type: str
    content: bytes

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def descriptor(self) -> dict[str, object]:
        return {"mediaType": self.media_type, "digest": f"sha256:{self.digest}", "size": len(self.content)}


def main() -> None:
    tree = Path(sys.argv[1])
    (tree / ARCHIVE).write_bytes(archive((tree / PROGRAM).read_bytes()))


def archive(program: bytes) -> bytes:
    """Return an OCI layout with one image, which runs the program as its pause process."""
    layer = Blob(f"{TYPES}.layer.v1.tar", packed({"pause": program}))
    config = blob(
        f"{TYPES}.config.v1+json",
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Entrypoint": ["/pause", "-P"], "User": "65535:65535"},
            "rootfs": {"type": "layers", "diff_ids": [layer.descriptor["digest"]]},
        },
    )
    of = {"config": config.descriptor, "layers": [layer.descriptor]}
    manifest = blob(f"{TYPES}.manifest.v1+json", {"schemaVersion": 2, "mediaType": f"{TYPES}.manifest.v1+json", **of})
    named = {**manifest.descriptor, "annotations": {"io.containerd.image.name": NAME}}
    return packed(
        {
            "oci-layout": b'{"imageLayoutVersion": "1.0.0"}',
            "index.json": json.dumps({"schemaVersion": 2, "manifests": [named]}).encode(),
            **{f"blobs/sha256/{each.digest}": each.content for each in (layer, config, manifest)},
        }
    )


def blob(media_type: str, body: Mapping[str, object]) -> Blob:
    return Blob(media_type, json.dumps(body).encode())


def packed(files: Mapping[str, bytes]) -> bytes:
    """Pack files so that the same content is always the same bytes."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        for name, body in sorted(files.items()):
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(body), 0o755
            tar.addfile(member, io.BytesIO(body))
    return content.getvalue()


if __name__ == "__main__":
    main()
