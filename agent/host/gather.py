"""Outputs: each kind of source that the catalogue knows, gathered by a child process within its bounds."""

import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeAlias

from agent import imds_tree
from agent.errors import AgentError
from agent.host import authorities, files, loopback, nvme_pages, relay, running, trees
from agent.host.flow import USUAL, Bounds, Ending, Sender
from agent.host.job import Job
from agent.host.relay import Patience
from agent.model import Unknown
from agent.outputs import (
    Authorities,
    Builds,
    Commands,
    Digest,
    Event,
    File,
    Keep,
    Loopback,
    Matching,
    Metadata,
    Nvme,
    Outcome,
    Output,
    PerItem,
    Source,
    Status,
    Tree,
    Withheld,
)

# Files of /proc and /sys that go into a digest: the largest, /proc/PID/stat, has some 350 bytes.
_DIGEST_LIMIT = 64 << 10
# A read that says nothing for this long blocks; each command may be silent until its own time is over.
_SILENCE = 30.0
_GRACE = 5.0
_WHOLE_TREE = "/"

ReadMetadata: TypeAlias = Callable[[str], str | None]


class Gatherer:
    """Reads sources of the host below `root`; `metadata` gives a value of IMDS, None where there is none."""

    def __init__(self, folder: Path, *, metadata: ReadMetadata, root: Path = Path("/")) -> None:
        self._folder = folder
        self._metadata = metadata
        self._root = root
        # Once IMDS has failed it is not asked again: a bundle must not wait for each value.
        self._trouble = ""

    def gather(self, output: Output, *, limit: int, seconds: float) -> Generator[Event, None, None]:
        """Give each file of an output, at most `limit` bytes of it, for at most `seconds`."""
        source = str(output.source)
        if isinstance(output.source, Metadata) and self._trouble:
            yield Outcome(output.path, source, Status.FAILED, error=self._trouble)
            return
        if output.keep is Keep.TAIL and isinstance(output.source, Commands):
            limit //= 2  # what is kept of a stream waits on the same disk as the bundle
        bounds = Bounds(min(limit, output.limit), output.keep, self._folder)
        seconds = min(seconds, output.seconds)
        silence = getattr(output.source, "timeout", _SILENCE) + _GRACE
        work = partial(self._work, output, bounds, seconds)
        blank = Outcome(output.path, source, Status.FAILED)
        with closing(relay.gather(work, blank, Patience(silence, seconds + _GRACE))) as events:
            for event in events:
                if isinstance(event, Outcome) and isinstance(output.source, Metadata) and event.status is Status.FAILED:
                    self._trouble = event.error
                yield event

    def _work(self, output: Output, bounds: Bounds, seconds: float, sender: Sender) -> None:
        job = Job(output, bounds, sender, self._root, time.monotonic() + seconds)
        match output.source:
            case Commands() as source:
                running.run(job, source)
            case PerItem() as source:
                running.run_each(job, source)
            case File() as source:
                trees.take_file(job, source)
            case Tree() as source:
                trees.take_tree(job, source)
            case Matching() as source:
                trees.take_matching(job, source)
            case Withheld(reason):
                job.explain(Status.ABSENT, reason)
            case Builds() as source:
                self._work(replace(output, source=_chosen(job, source)), bounds, job.left(), sender)
            case source:
                _write(job, source, self._metadata)


def _chosen(job: Job, source: Builds) -> Source:
    there = [path for path in source.paths if files.is_executable(job.below(path))]
    return source.choose(there, files.target(job.below(source.link)))


def _write(job: Job, source: Digest | Metadata | Loopback | Authorities | Nvme, metadata: ReadMetadata) -> None:
    """Take what is no file or command of its own."""
    match source:
        case Digest():
            _digest(job, source)
        case Metadata():
            _value(job, source, metadata)
        case Loopback():
            _answer(job, source)
        case Authorities():
            _authorities(job, source)
        case Nvme():
            pages = nvme_pages.read(job.root)
            _text(job, source.render(pages) if pages else None)


def _text(job: Job, text: str | None) -> None:
    if text is None:
        job.explain(Status.ABSENT)
        return
    flow = job.flow(keep=Keep.HEAD)
    flow.write(text.encode(errors="surrogateescape"))
    flow.finish()


def _digest(job: Job, source: Digest) -> None:
    texts = {}
    for path in (path for pattern in source.patterns for path in sorted(job.root.glob(pattern.lstrip("/")))):
        try:
            text = files.read_text(path, limit=_DIGEST_LIMIT)
        except OSError:
            continue  # the process or cgroup has ended since it was listed, or is another's
        if text is not None:
            texts[f"/{path.relative_to(job.root)}"] = text
    _text(job, source.render(texts) if texts else None)


def _value(job: Job, source: Metadata, metadata: ReadMetadata) -> None:
    try:
        if source.path == _WHOLE_TREE:
            _text(job, imds_tree.render(imds_tree.read_all(_Look(metadata))))
            return
        value = metadata(source.path)
    except AgentError as error:
        job.explain(Status.FAILED, str(error))
        return
    _text(job, None if value is None else f"{value}\n")


class _Look:
    """Reads values until one cannot be read; all that come after it are unknown, so that none is waited for."""

    def __init__(self, metadata: ReadMetadata) -> None:
        self._metadata = metadata
        self._read = 0
        self._unknown: Unknown | None = None

    def __call__(self, path: str) -> str | Unknown | None:
        if self._unknown is not None:
            return self._unknown
        try:
            value = self._metadata(path)
        except AgentError as error:
            if self._read == 0:
                raise
            self._unknown = Unknown(str(error))
            return self._unknown
        self._read += 1
        return value


def _answer(job: Job, source: Loopback) -> None:
    flow = job.flow()
    try:
        status = loopback.get(source.port, source.path, flow.write)
    except loopback.Error as error:
        flow.finish(Ending(Status.FAILED, error=str(error) or type(error).__name__))
        return
    if status is None:
        flow.finish(Ending(Status.ABSENT, error="nothing listens there"))
    else:
        flow.finish(USUAL if status == 200 else Ending(Status.FAILED, error=f"HTTP status {status}"))


def _authorities(job: Job, source: Authorities) -> None:
    try:
        found = authorities.read(job.below(source.path))
    except AgentError as error:
        job.explain(Status.FAILED, str(error))
        return
    lines = [f"notAfter={each.not_after}  sha256={each.sha256}  {each.subject}\n" for each in found or ()]
    _text(job, None if found is None else "".join(lines))
