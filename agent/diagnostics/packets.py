"""Packet captures: brought to an answer a step at a time, beside a log capture that goes on meanwhile.

No step waits: tcpdump runs in a unit of its own, uploads in a child process, and both tell of themselves in the spool.
"""

import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from agent import log, packet_capture
from agent.diagnostics import api, capture, form, packet_plan, report
from agent.diagnostics.api import NodeDiagnostic
from agent.diagnostics.form import Form
from agent.diagnostics.means import Means
from agent.diagnostics.packet_plan import KIND, Identity
from agent.diagnostics.pulse import Pulse, StoppedError, now_text
from agent.diagnostics.report import Ending
from agent.diagnostics.writer import Writer
from agent.errors import AgentError, SettingsError, TemporaryError
from agent.loop import Backoff
from agent.packet_capture import Ended, PacketRequest, PacketResult, Sent

_BACKOFF = Backoff(first=1.0, cap=60.0)
_ALIVE_SECONDS = 5.0
_MOST_SENDERS = 5
# Of the seconds after SIGTERM: for the last chunks, and then for the status.
_DRAIN_SECONDS = 5.0
_LAST_WORDS_SECONDS = 7.0
_DRAIN_LOOK = 0.2
_CUT_SHORT = PacketResult(Ended.STOPPED, 0)


@dataclass(slots=True)
class _Job:
    """The capture that is under way, and what this process has done for it."""

    request: PacketRequest
    form: Form | None
    ending: Ending | None = None
    salvaged: bool = False
    stopping: bool = False
    senders: int = 0
    alive_at: float = 0.0
    failures: int = 0
    not_before: float = 0.0
    # What this process knows although the spool would not take it: a full disk must not keep the capture running.
    result: PacketResult | None = None
    trouble: str = ""


class Packets:
    """One node's packet captures, one after another."""

    def __init__(self, means: Means, writer: Writer, pulse: Pulse) -> None:
        self._means = means
        self._spool = means.packets.spool
        self._writer = writer
        self._pulse = pulse
        self._log = log.get("diagnostics")
        self._job: _Job | None = None
        self._answered: tuple[str, int] | None = None

    def step(self) -> None:
        """Do what can be done now."""
        observer = self._means.observer
        if not observer.synced or (self._job is None and observer.current is None and not self._spool.captures()):
            return
        diagnostic = api.current(observer.current)
        if self._job is not None and not packet_plan.belongs(self._job.request, diagnostic):
            self._log.info("packet capture dropped: the object was deleted or edited")
            self._drop(self._job)
        if self._job is None:
            self._job = self._begun(diagnostic)
        if self._job is not None and diagnostic is not None:
            self._follow(diagnostic, self._job)

    def stop(self) -> None:
        """End what is under way, send what has been captured, and say so, as far as the time after SIGTERM allows."""
        job, diagnostic = self._job, api.current(self._means.observer.current)
        if job is None or diagnostic is None:
            return
        self._end_capture(job)
        with suppress(StoppedError), self._pulse.last_words(_DRAIN_SECONDS):
            while job.ending is None:
                job.ending = self._advance(job)
                self._means.observer.wait(_DRAIN_LOOK, self._pulse)
        ending = job.ending or packet_plan.ending(job.request, _CUT_SHORT, self._sent(job), overwrites=False)
        with suppress(StoppedError), self._pulse.last_words(_LAST_WORDS_SECONDS):
            self._finish(diagnostic, job, ending)
        self._means.packets.sender.stop()

    def _begun(self, diagnostic: NodeDiagnostic | None) -> _Job | None:
        """Return the capture that the object asks for, started where it was not; None where nothing is to be done."""
        spec = diagnostic.packets if diagnostic is not None else None
        if diagnostic is None or spec is None or self._is_answered(diagnostic):
            self._sweep(keep=None)
            return None
        spooled = self._spooled(diagnostic)
        self._sweep(keep=spooled.capture_id if spooled else None)
        identity = self._identity(diagnostic)
        try:
            target = form.parse(spec.url, spec.fields, self._means.allowed)
            request = spooled or packet_plan.request(diagnostic, spec, identity)
        except SettingsError as error:
            refused = packet_plan.refused_request(diagnostic, identity)
            return _Job(refused, None, packet_plan.refused(error))
        except Exception as error:  # noqa: BLE001 - it is in the journal and in the status
            return _Job(packet_plan.refused_request(diagnostic, identity), None, self._met(error))
        job = _Job(request, target)
        if spooled is None:
            self._start(job)
        return job

    def _start(self, job: _Job) -> None:
        request = job.request
        try:
            self._spool.write(request.capture_id, packet_capture.REQUEST, request.dump())
            self._means.packets.unit.start(request.capture_id)
        except AgentError as error:
            job.ending = packet_plan.refused(error)
            return
        job.alive_at = self._pulse.clock() + _ALIVE_SECONDS
        self._log.info("packet capture started", capture=request.capture_id, seconds=request.seconds)

    def _follow(self, diagnostic: NodeDiagnostic, job: _Job) -> None:
        if job.ending is None:
            if self._pulse.clock() >= job.not_before:
                self._say_running(diagnostic, job)
            job.ending = self._advance_or_defect(job)
        if job.ending is not None and self._pulse.clock() >= job.not_before:
            self._finish(diagnostic, job, job.ending)

    def _advance_or_defect(self, job: _Job) -> Ending | None:
        """Do the next thing; a defect would be met again at each start, and the capture never end."""
        try:
            return self._advance(job)
        except StoppedError:
            raise
        except Exception as error:  # noqa: BLE001 - it is in the journal and in the status
            return self._met(error)

    def _met(self, error: Exception) -> Ending:
        self._log.error("packet capture met a defect", traceback=traceback.format_exc())
        return packet_plan.failed(report.defect(error))

    def _advance(self, job: _Job) -> Ending | None:
        """Return how the capture ended, once all of it has been sent or nothing more can be."""
        result, idle = self._result(job), not (self._means.packets.sender.running or self._waiting(job))
        sent = self._sent(job)  # read last: it counts what was sent until the sender ended
        if result is None:
            if sent.error:
                self._end_capture(job)
            self._look_after(job, sent)
        elif sent.error or idle:
            overwrites = job.form is not None and job.form.overwrites
            return packet_plan.ending(job.request, result, sent, overwrites=overwrites)
        if not sent.error:
            self._keep_sending(job)
        return None

    def _keep_sending(self, job: _Job) -> None:
        """Have a sender run; one that dies again and again is a defect that must not last for ever."""
        sender = self._means.packets.sender
        if sender.running or job.form is None:
            return
        if job.senders < _MOST_SENDERS:
            job.senders += 1
            sender.start(job.request, job.form)
            return
        job.trouble = "the uploading process ended; see the journal of node-agent-diagnostics"

    def _look_after(self, job: _Job, sent: Sent) -> None:
        """See now and then whether the capture's unit still runs; where it broke off, it is started to clean up."""
        if self._pulse.clock() < job.alive_at:
            return
        job.alive_at = self._pulse.clock() + _ALIVE_SECONDS
        trouble = self._means.packets.unit.trouble(job.request.capture_id)
        if trouble is None or self._result(job) is not None:
            return
        if not job.salvaged:
            job.salvaged = True
            self._means.packets.unit.start(job.request.capture_id)
            return
        job.result = PacketResult(Ended.BROKEN_OFF, sent.chunks, error=f"the capture ended without a result: {trouble}")
        try:
            # The sender reads there that no chunk will come any more.
            self._spool.write(job.request.capture_id, packet_capture.RESULT, job.result.dump())
        except AgentError as error:
            job.trouble = error.message

    def _say_running(self, diagnostic: NodeDiagnostic, job: _Job) -> None:
        text = f"capturing packets for {job.request.seconds} s"
        self._try(job, lambda: self._writer.running(KIND, diagnostic, job.request, text))

    def _finish(self, diagnostic: NodeDiagnostic, job: _Job, ending: Ending) -> None:
        if not self._try(job, lambda: self._writer.completed(diagnostic, job.request, ending)):
            return
        self._answered = (diagnostic.uid, diagnostic.generation)
        self._drop(job)
        self._writer.tell(diagnostic, job.request, str(ending.reason), ending.text)

    def _try(self, job: _Job, write: Callable[[], None]) -> bool:
        """Write to the API server once, and say whether that worked; else it is tried again some steps later."""
        try:
            write()
        except TemporaryError as error:
            self._log.warning("the status will be written again", cause=str(error))
            job.not_before = self._pulse.clock() + _BACKOFF.delay(job.failures)
            job.failures += 1
            return False
        job.failures = 0
        return True

    def _end_capture(self, job: _Job) -> None:
        if not job.stopping:
            job.stopping = True
            self._means.packets.unit.stop(job.request.capture_id)

    def _drop(self, job: _Job) -> None:
        self._means.packets.sender.stop()
        self._end_capture(job)
        self._spool.remove(job.request.capture_id)
        self._job = None

    def _sweep(self, *, keep: str | None) -> None:
        for name in self._spool.captures():
            if name != keep:
                self._log.info("swept the spool of packets", capture=name)
                if capture.is_capture_id(name):
                    self._means.packets.unit.stop(name)
                self._spool.remove(name)

    def _spooled(self, diagnostic: NodeDiagnostic) -> PacketRequest | None:
        """Return the capture in the spool that answers the object, if there is one."""
        for name in filter(capture.is_capture_id, self._spool.captures()):
            with suppress(AgentError):  # what cannot be read is swept
                content = self._spool.read(name, packet_capture.REQUEST)
                found = packet_capture.parse_request(content) if content is not None else None
                if found is not None and found.capture_id == name and packet_plan.belongs(found, diagnostic):
                    return found
        return None

    def _identity(self, diagnostic: NodeDiagnostic) -> Identity:
        """Name a new capture; one that the status calls running and nobody has any more is cancelled by it."""
        status = diagnostic.status(KIND)
        previous = status.capture_id if status is not None and status.running else ""
        return Identity(self._means.new_id(), now_text(), previous)

    def _is_answered(self, diagnostic: NodeDiagnostic) -> bool:
        if self._answered == (diagnostic.uid, diagnostic.generation):
            return True
        return packet_plan.is_answered(diagnostic, diagnostic.status(KIND))

    def _result(self, job: _Job) -> PacketResult | None:
        content = self._spool.read(job.request.capture_id, packet_capture.RESULT)
        return job.result if content is None else packet_capture.parse_result(content)

    def _sent(self, job: _Job) -> Sent:
        content = self._spool.read(job.request.capture_id, packet_capture.SENT)
        sent = Sent() if content is None else packet_capture.parse_sent(content)
        return replace(sent, error=sent.error or job.trouble)

    def _waiting(self, job: _Job) -> list[str]:
        return packet_capture.finished_chunks(self._spool.names(job.request.capture_id))
