"""Bundles for tests, good and hostile, made in memory."""

import gzip
import io
import json
import tarfile
from collections.abc import Mapping
from typing import Any


def pack(*entries: tuple[tarfile.TarInfo, bytes], form: int = tarfile.PAX_FORMAT) -> io.BytesIO:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=form) as archive:
        for entry, content in entries:
            archive.addfile(entry, io.BytesIO(content))
    return io.BytesIO(gzip.compress(target.getvalue()))


def regular(name: str, content: bytes) -> tuple[tarfile.TarInfo, bytes]:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    return entry, content


def special(name: str, kind: bytes, target: str = "") -> tuple[tarfile.TarInfo, bytes]:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, target
    return entry, b""


def bundle(manifest: Mapping[str, Any] | bytes, doctor: Mapping[str, Any] | bytes | None = None) -> io.BytesIO:
    files = {"manifest.json": manifest, "doctor.json": doctor}
    given = {name: content for name, content in files.items() if content is not None}
    encoded = {
        name: content if isinstance(content, bytes) else json.dumps(content).encode() for name, content in given.items()
    }
    return pack(*(regular(name, content) for name, content in encoded.items()))
