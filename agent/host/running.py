"""Outputs that commands print."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from agent.host import commands, files
from agent.host.flow import Ending, Flow
from agent.host.job import Job
from agent.outputs import Commands, File, Keep, PerItem, Status, Step

# What lists the items of an output, such as the mounts of a node with hundreds of pods.
_LISTING_LIMIT = 4 << 20
_SEAM = b"\n--- the time was over: above is what had come by then, below is the end ---\n"


@dataclass(slots=True)
class _Batch:
    """Commands that go into one file; what is left of the job's time bounds each."""

    job: Job
    timeout: float
    accepts: frozenset[int]
    ran: list[commands.Finished] = field(default_factory=list)
    not_run: int = 0

    @property
    def timed_out(self) -> bool:
        return any(one.timed_out for one in self.ran)

    def run(self, argv: Sequence[str], sink: Callable[[bytes], bool]) -> None:
        seconds = min(self.timeout, self.job.left())
        if seconds <= 0:
            self.not_run += 1
            return
        self.ran.append(commands.stream(argv, sink, timeout=seconds))
        # The next one may be silent as long as this one was.
        self.job.sender.alive()

    def finish(self, flow: Flow) -> None:
        code = next((one.status for one in reversed(self.ran) if one.status), self.ran[-1].status if self.ran else None)
        status, error = self._worst()
        behind = sum(one.left_behind for one in self.ran)
        flow.finish(Ending(status, code, error, behind))

    def _worst(self) -> tuple[Status | None, str]:
        if self.not_run:
            return Status.TIMEOUT, f"no time was left for {self.not_run} of {self.not_run + len(self.ran)} commands"
        for one in self.ran:
            if one.timed_out:
                return Status.TIMEOUT, one.error
        for one in self.ran:
            if not one.missing and not one.truncated and one.status not in self.accepts:
                return Status.FAILED, one.error or f"exit status {one.status}"
        missing = "; ".join(one.error for one in self.ran if one.missing)
        return (Status.ABSENT if all(one.missing for one in self.ran) else None), missing


def run(job: Job, source: Commands) -> None:
    """Run commands one after another into the output's file."""
    flow, batch = job.flow(), _Batch(job, source.timeout, source.accepts)
    trailer = source.trailer() if source.trailer else None

    def sink(chunk: bytes) -> bool:
        if trailer:
            trailer.feed(chunk)
        return flow.write(chunk)

    for argv in source.argvs:
        batch.run(argv, sink)
    if source.late and batch.timed_out:
        flow.write(_SEAM)
        batch.run(source.late, sink)
    if trailer and batch.ran and not batch.ran[-1].missing:
        flow.write(trailer.text())
    batch.finish(flow)


def run_each(job: Job, source: PerItem) -> None:
    """Run the commands of each item that is listed; those of one name share a file."""
    text = _listing(job, source.listing)
    if text is None:
        return
    steps = source.plan(text)
    if not steps:
        job.explain(Status.ABSENT, f"{source.listing} lists nothing for it")
    for name, group in groupby(steps, key=lambda step: step.name):
        flow, batch = job.flow(job.item_path(name)), _Batch(job, source.timeout, source.accepts)
        for step in group:
            _run_step(step, flow, batch)
        batch.finish(flow)


def _run_step(step: Step, flow: Flow, batch: _Batch) -> None:
    if step.title:
        flow.write(f"{step.title}\n".encode(errors="surrogateescape"))
    batch.run(step.argv, flow.write)
    if step.title:
        flow.write(b"\n")


def _listing(job: Job, listing: Commands | File) -> str | None:
    """Return what lists the items; where there is nothing to read, the outcome is said."""
    if isinstance(listing, File):
        for path in listing.paths:
            try:
                text = files.read_text(job.below(path), limit=_LISTING_LIMIT)
            except OSError:
                continue  # another process' file, for one: the next path is our own
            if text is not None:
                return text
        job.explain(Status.ABSENT, f"{listing} cannot be read")
        return None
    found = commands.run(listing.argvs[0], timeout=min(listing.timeout, job.left()), limit=_LISTING_LIMIT)
    job.sender.alive()
    if found.status in listing.accepts:
        return found.text
    flow = job.flow(job.item_path("error"), keep=Keep.HEAD)
    flow.write(found.output)
    status = Status.ABSENT if found.missing else Status.TIMEOUT if found.timed_out else Status.FAILED
    error = found.error or f"{listing}: exit status {found.status}"
    flow.finish(Ending(status, found.status, error, found.left_behind))
    return None
