"""Frozen values that more than one room speaks of."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Unknown:
    """A value that could not be read: neither present nor known to be absent (`None`)."""

    reason: str


@dataclass(frozen=True, slots=True)
class FileSpec:
    """A file as it should be: its absolute path on the node, content and mode."""

    path: str
    content: bytes
    mode: int = 0o644


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said of one settings key: `level` is `error` only where kubelet must not start."""

    path: str
    level: str
    message: str
    source: str
