"""What a bundle is made of, as frozen values: an output, where it comes from, and how collecting it ended."""

import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeAlias


class Status(StrEnum):
    """How an output ended; `truncated` and `timeout` keep what had come by then."""

    OK = "ok"
    EMPTY = "empty"
    ABSENT = "absent"
    FAILED = "failed"
    TIMEOUT = "timeout"
    TRUNCATED = "truncated"
    SKIPPED = "skipped"


# A bundle with one of these is not whole; an absent log or one cut at its limit is no error.
ERRORS = frozenset({Status.FAILED, Status.TIMEOUT, Status.SKIPPED})


class Keep(StrEnum):
    """Which part of an output stays where it is longer than its limit."""

    HEAD = "head"
    TAIL = "tail"


@dataclass(frozen=True, slots=True)
class Commands:
    """Commands run one after another into one file; an exit status that is not in `accepts` is a failure."""

    argvs: tuple[tuple[str, ...], ...]
    timeout: float = 60.0
    accepts: frozenset[int] = frozenset({0})

    def __str__(self) -> str:
        return "; ".join(shlex.join(argv) for argv in self.argvs)


@dataclass(frozen=True, slots=True)
class EachMount:
    """Commands run for every mount of a file system type, with a value of the mount as last argument.

    `option` names a mount option (`upperdir`); without one the value is the mounted device.
    """

    filesystem: str
    argvs: tuple[tuple[str, ...], ...]
    option: str = ""
    timeout: float = 60.0
    accepts: frozenset[int] = frozenset({0})

    def __str__(self) -> str:
        value = f"{{{self.option or 'device'} of each {self.filesystem} mount}}"
        return "; ".join(f"{shlex.join(argv)} {value}" for argv in self.argvs)


@dataclass(frozen=True, slots=True)
class File:
    """The first of these files that exists."""

    paths: tuple[str, ...]

    def __str__(self) -> str:
        return " or ".join(self.paths)


@dataclass(frozen=True, slots=True)
class Tree:
    """Every regular file below the folders that match a pattern; links are not followed."""

    pattern: str

    def __str__(self) -> str:
        return f"{self.pattern}/"


@dataclass(frozen=True, slots=True)
class Digest:
    """One text made from every file that matches a pattern, given by path."""

    pattern: str
    render: Callable[[Mapping[str, str]], str]

    def __str__(self) -> str:
        return self.pattern


@dataclass(frozen=True, slots=True)
class Metadata:
    """A value of the instance metadata service."""

    path: str

    def __str__(self) -> str:
        return f"imds:{self.path}"


Source: TypeAlias = Commands | EachMount | File | Tree | Digest | Metadata


@dataclass(frozen=True, slots=True)
class Output:
    """One line of the catalogue: a path in the bundle (of a folder for a Tree), and what goes there."""

    category: str
    path: str
    source: Source
    keep: Keep = Keep.HEAD
    limit: int = 1 << 30


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one file of the bundle came about."""

    path: str
    source: str
    status: Status
    exit_code: int | None = None
    seconds: float = 0.0
    bytes_read: int = 0
    bytes_written: int = 0
    sha256: str = ""
    error: str = ""
    redactions: int = 0


class Content(Protocol):
    """What was collected, on disk until it is discarded."""

    @property
    def size(self) -> int: ...

    def chunks(self) -> Iterator[bytes]: ...

    def discard(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Gathered:
    """An outcome, and the content where there is any; whoever takes it discards it."""

    outcome: Outcome
    content: Content | None
    modified: float
