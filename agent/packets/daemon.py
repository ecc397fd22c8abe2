"""A packet capture at work: tcpdump, its chunks compressed as they are closed, and the end of it in the spool."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agent import log, loop
from agent import packet_capture as shared
from agent.errors import FailedError
from agent.host import commands, compress, files
from agent.host.commands import Running
from agent.host.spool import Spool
from agent.packet_capture import Ended, PacketRequest, PacketResult
from agent.packets import plan

_LOOK_SECONDS = 0.2
_CHECK_SECONDS = 10.0
# tcpdump closes its file at once; the service manager would end it with us after a longer time.
_GRACE_SECONDS = 3.0
# What waits in the kernel's buffer when tcpdump is ended is lost: it is handed over after a second at the latest.
_SETTLE_SECONDS = 1.5


def run(capture_id: str, *, root: Path = Path("/")) -> None:
    """Capture what the request in the spool says, until its duration is over or SIGTERM."""
    spool = Spool(files.below(root, shared.FOLDER))
    content = spool.read(capture_id, shared.REQUEST)
    if content is None:
        raise FailedError(f"the spool holds no request {capture_id}", hint="the diagnostics daemon writes it")
    request, folder = shared.parse_request(content), spool.place(capture_id)
    if request.capture_id != capture_id:
        raise FailedError(f"{capture_id!r} is no capture ID", hint="the diagnostics daemon starts this command")
    with loop.until_stopped() as stop:
        if shared.raw_chunks(_names(folder)) or shared.finished_chunks(_names(folder)):
            result = _salvaged(folder)
        elif trouble := _filter_trouble(request):
            result = plan.result(Ended.FAILED, 0, "", trouble)
        else:
            result = _captured(request, folder, stop)
    spool.write(capture_id, shared.RESULT, result.dump())
    log.get("packets").info("capture ended", capture=capture_id, why=str(result.ended), chunks=result.chunks)


@dataclass(slots=True)
class _Chunks:
    """The chunks of one capture: how many are finished so far."""

    folder: Path
    finished: int = 0

    def finish(self, *, last_too: bool) -> None:
        """Compress what tcpdump has closed: all but the last, until it has ended."""
        found = shared.raw_chunks(_names(self.folder))
        for number, name in found if last_too else found[:-1]:
            compress.move_compressed(self.folder / name, self.folder / shared.chunk_name(number))
            self.finished += 1

    def waiting(self) -> int:
        """Return the bytes on disk; a chunk that is removed in between counts for nothing."""
        return sum(files.size(self.folder / name) for name in _names(self.folder))


def _captured(request: PacketRequest, folder: Path, stop: loop.Stop) -> PacketResult:
    chunks = _Chunks(folder)
    try:
        tcpdump = commands.start(plan.capture_argv(request, str(folder)))
    except FileNotFoundError:
        return plan.result(Ended.FAILED, 0, "", "tcpdump is not on this node")
    with tcpdump:
        ended, error = _followed(tcpdump, chunks, request, stop.wait)
        tcpdump.wait(_SETTLE_SECONDS)
        tcpdump.terminate(_GRACE_SECONDS)
        said = tcpdump.said()
    if ended is Ended.FAILED:
        error = plan.refusal(said)
    chunks.finish(last_too=True)
    return plan.result(ended, chunks.finished, said, error)


def _followed(
    tcpdump: Running, chunks: _Chunks, request: PacketRequest, wait: Callable[[float], bool]
) -> tuple[Ended, str]:
    """Take in chunks until there is a reason to end; the time runs from when tcpdump has begun to listen."""
    deadline: float | None = None
    while tcpdump.running:
        if deadline is None and shared.raw_chunks(_names(chunks.folder)):
            deadline = time.monotonic() + request.seconds
        left = _LOOK_SECONDS if deadline is None else deadline - time.monotonic()
        if left <= 0:
            return Ended.DURATION, ""
        if wait(min(left, _LOOK_SECONDS)):
            return Ended.STOPPED, ""
        chunks.finish(last_too=False)
        if trouble := _disk_trouble(chunks):
            return Ended.DISK, trouble
    return Ended.FAILED, ""


def _salvaged(folder: Path) -> PacketResult:
    """Finish what a capture that was broken off has left; a chunk that was cut in two is still a chunk."""
    chunks = _Chunks(folder, len(shared.finished_chunks(_names(folder))))
    chunks.finish(last_too=True)
    return plan.result(Ended.BROKEN_OFF, chunks.finished, "", "the capture was broken off")


def _filter_trouble(request: PacketRequest) -> str:
    if not request.expression:
        return ""
    checked = commands.run(plan.check_argv(request), timeout=_CHECK_SECONDS)
    return "" if checked.ok else checked.error or plan.refusal(checked.text)


def _disk_trouble(chunks: _Chunks) -> str:
    total, free = files.space(chunks.folder)
    return plan.disk_trouble(total, free, chunks.waiting())


def _names(folder: Path) -> list[str]:
    return [entry.name for entry in folder.iterdir()]
