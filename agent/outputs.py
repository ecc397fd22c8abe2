"""What a bundle is made of, as frozen values: an output, where it comes from, and how collecting it ended."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Protocol, TypeAlias


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


# Whatever goes into a bundle passes the redactor.
SECRETS_CUT = "secrets are cut"


class Keep(StrEnum):
    """Which part of an output stays where it is longer than its limit."""

    HEAD = "head"
    TAIL = "tail"


class Trailer(Protocol):
    """Looks at output as it passes, and gives what is to stand below it."""

    def feed(self, chunk: bytes) -> None: ...

    def text(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Commands:
    """Commands run one after another into one file; an exit status that is not in `accepts` is a failure.

    `late` runs where one of them took too long: it prints the end of what they had not come to.
    """

    argvs: tuple[tuple[str, ...], ...]
    timeout: float = 60.0
    accepts: frozenset[int] = frozenset({0})
    trailer: Callable[[], Trailer] | None = None
    late: tuple[str, ...] = ()

    @property
    def when(self) -> str:
        return f"{' or '.join(dict.fromkeys(argv[0] for argv in self.argvs))} is installed"

    def __str__(self) -> str:
        return "; ".join(shlex.join(argv) for argv in self.argvs)


@dataclass(frozen=True, slots=True)
class Step:
    """A command for one item: `name` stands for the `*` of the output's path, `title` is a line above."""

    argv: tuple[str, ...]
    name: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True)
class PerItem:
    """Commands for each item that another command, or a file, lists; `plan` makes them of that text."""

    what: str
    listing: "Commands | File"
    plan: Callable[[str], Sequence[Step]]
    timeout: float = 60.0
    accepts: frozenset[int] = frozenset({0})

    @property
    def when(self) -> str:
        return self.listing.when

    def __str__(self) -> str:
        return self.what


@dataclass(frozen=True, slots=True)
class File:
    """The first of these files that exists."""

    paths: tuple[str, ...]
    when: ClassVar[str] = "such a file is there"

    def __str__(self) -> str:
        return " or ".join(self.paths)


@dataclass(frozen=True, slots=True)
class Tree:
    """Every regular file below the folders that match a pattern; links are not followed."""

    pattern: str
    when: ClassVar[str] = "such a folder is there and has files"

    def __str__(self) -> str:
        return f"{self.pattern}/"


@dataclass(frozen=True, slots=True)
class Matching:
    """Every regular file whose path matches a pattern."""

    pattern: str
    when: ClassVar[str] = "such a file is there"

    def __str__(self) -> str:
        return self.pattern


@dataclass(frozen=True, slots=True)
class Digest:
    """One text made from every file that matches a pattern, given by path."""

    patterns: tuple[str, ...]
    render: Callable[[Mapping[str, str]], str]
    when: ClassVar[str] = "such a file is there"

    def __str__(self) -> str:
        return ", ".join(self.patterns)


@dataclass(frozen=True, slots=True)
class Metadata:
    """A value of the instance metadata service; a path that ends with a slash stands for all that is below."""

    path: str
    when: ClassVar[str] = "IMDS answers"

    def __str__(self) -> str:
        return f"imds:{self.path}"


@dataclass(frozen=True, slots=True)
class Loopback:
    """What a server of this node answers to a GET on the loopback interface."""

    port: int
    path: str
    when: ClassVar[str] = "something listens there"

    def __str__(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.path}"


@dataclass(frozen=True, slots=True)
class Authorities:
    """Subject, fingerprint and end of each certificate authority in a file."""

    path: str
    when: ClassVar[str] = "such a file is there"

    def __str__(self) -> str:
        return f"authorities in {self.path}"


@dataclass(frozen=True, slots=True)
class NvmePages:
    """Pages of one NVMe controller as it gave them: identification and EBS' statistics."""

    device: str
    identify: bytes
    statistics: bytes
    error: str = ""


@dataclass(frozen=True, slots=True)
class Nvme:
    """One text made from the pages of each NVMe controller."""

    render: Callable[[Sequence[NvmePages]], str]
    when: ClassVar[str] = "the node has an NVMe controller"

    def __str__(self) -> str:
        return "/dev/nvme[0-9]*"


@dataclass(frozen=True, slots=True)
class Withheld:
    """What is not collected, with the reason: what the peer collects and we must not, or cannot on this node."""

    reason: str

    @property
    def when(self) -> str:
        return f"never: {self.reason}"

    def __str__(self) -> str:
        return "never collected"


@dataclass(frozen=True, slots=True)
class Builds:
    """What one build of a program prints, where a node may have several and only one fits it.

    `choose` is given those of the paths that are there, in their order, and where `link` leads, empty if nowhere.
    """

    what: str
    paths: tuple[str, ...]
    link: str
    choose: Callable[[Sequence[str], str], Commands | PerItem | Withheld]
    timeout: float = 60.0
    when: ClassVar[str] = "one is installed, or of two the one that fits is known"

    def __str__(self) -> str:
        return self.what


Source: TypeAlias = (
    Commands | PerItem | File | Tree | Matching | Digest | Metadata | Loopback | Authorities | Nvme | Withheld | Builds
)


@dataclass(frozen=True, slots=True)
class Output:
    """One line of the catalogue: a path in the bundle (of a folder for a Tree), and what goes there.

    `limit` is in bytes of each file, `seconds` how long all of the output may take. `when` says on which nodes there
    is something to take, where that of the source does not say enough, and `redaction` what is kept out of it.
    """

    category: str
    path: str
    source: Source
    keep: Keep = Keep.HEAD
    limit: int = 1 << 30
    seconds: float = 120.0
    when: str = ""
    redaction: str = SECRETS_CUT


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one file of the bundle came about; `left_behind` counts processes that could not be ended."""

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
    left_behind: int = 0


@dataclass(frozen=True, slots=True)
class Opened:
    """A file of the bundle begins: what comes until its outcome is its content."""

    path: str
    source: str
    modified: float


# What gathering gives: files one after another, each with its outcome last; one without content only has that.
Event: TypeAlias = Opened | memoryview | Outcome
