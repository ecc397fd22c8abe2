"""The service: brings what the object asks for and what the spool holds to an answer, whatever comes in between."""

import contextlib
import math
import traceback
from collections.abc import Mapping

from agent import log
from agent.diagnostics import api, capture, delivery, destination, report
from agent.diagnostics.answer import Lifetime
from agent.diagnostics.api import NodeDiagnostic
from agent.diagnostics.capture import Begin, Capture, GiveUp, Idle, Made
from agent.diagnostics.delivery import Route
from agent.diagnostics.destination import Destination
from agent.diagnostics.means import Means
from agent.diagnostics.packets import Packets
from agent.diagnostics.pulse import Pulse, StoppedError, now, now_text
from agent.diagnostics.report import Ending, Reason, cause
from agent.diagnostics.writer import Writer, patiently
from agent.errors import AgentError, FailedError, SettingsError

_IDLE_SECONDS = 30.0
_LOOK_SECONDS = 0.5
_RESULT_SECONDS = 0.5
_ALIVE_SECONDS = 5.0
# systemd gives the daemon more time than this after SIGTERM; the status must be written within it.
_LAST_WORDS_SECONDS = 6.0
# The collector ends by itself at its deadline; this is for writing down what it has.
_COLLECTOR_GRACE = 180.0


class SupersededError(Exception):
    """The object was deleted, made anew or edited: nobody waits for this capture any more."""


class Service:
    """One node's log captures, one after another, with its packet captures beside them."""

    def __init__(self, means: Means, pulse: Pulse) -> None:
        self._means = means
        self._pulse = pulse
        self._log = log.get("diagnostics")
        self._writer = Writer(means.api, means.observer)
        self._packets = Packets(means, self._writer, pulse)
        self._active: Capture | None = None
        self._looked = -math.inf
        # What this process has answered: the object that the watch shows may be older than our last patch.
        self._answered: dict[str, tuple[str, int]] = {}

    def run(self) -> None:
        """Serve until the pulse says to stop."""
        try:
            while True:
                while self._means.observer.synced and self._step():
                    pass
                self._means.shelf.sweep()
                self._publish()
                self._means.observer.wait(_IDLE_SECONDS, self._idle_tick)
        except StoppedError:
            self._packets.stop()
            raise

    def _step(self) -> bool:
        """Do what is to be done next, and say whether there was anything."""
        self._packets.step()
        diagnostic = api.current(self._means.observer.current)
        if diagnostic is None or self._answered.get(capture.KIND) == (diagnostic.uid, diagnostic.generation):
            self._sweep(keep=None)
            return False
        step = capture.decide(diagnostic, self._spooled(diagnostic), new_id=self._means.new_id(), now=now_text())
        if isinstance(step, Idle):
            self._sweep(keep=None)
            return False
        self._sweep(keep=step.capture.capture_id)
        self._answer(diagnostic, step.capture, fresh=isinstance(step, Begin))
        # What was superseded has a successor, or is to be swept.
        return not self._is_wanted(step.capture)

    def _answer(self, diagnostic: NodeDiagnostic, run: Capture, *, fresh: bool) -> None:
        self._active = run
        try:
            ending = self._written_ending(run)
            if ending is None:
                ending = self._outcome_or_defect(diagnostic, run, fresh=fresh)
                self._write_down(run, ending)
            self._complete(diagnostic, run, ending)
        except SupersededError:
            self._log.info("log capture dropped: the object was deleted or edited", capture=run.capture_id)
        except StoppedError:
            if self._answered.get(capture.KIND) != (diagnostic.uid, diagnostic.generation):
                self._say_stopped(diagnostic, run)
            raise
        finally:
            self._active = None
        self._sweep(keep=None)

    def _written_ending(self, run: Capture) -> Ending | None:
        content = self._means.spool.read(run.capture_id, capture.ENDING)
        return None if content is None else report.parse_ending(content)

    def _write_down(self, run: Capture, ending: Ending) -> None:
        with contextlib.suppress(AgentError):  # a full disk must not keep the status from saying so
            self._means.spool.write(run.capture_id, capture.ENDING, ending.dump())

    def _outcome_or_defect(self, diagnostic: NodeDiagnostic, run: Capture, *, fresh: bool) -> Ending:
        """Return how a capture ended: one that met a defect would meet it again at each start, and never end."""
        try:
            return self._outcome(diagnostic, run, fresh=fresh)
        except (SupersededError, StoppedError):
            raise
        except Exception as error:  # noqa: BLE001 - it is in the journal and in the status
            self._log.error("log capture met a defect", capture=run.capture_id, traceback=traceback.format_exc())
            self._means.collector.stop(run.capture_id)
            return _failure(report.COLLECTION_FAILED, report.defect(error))

    def _outcome(self, diagnostic: NodeDiagnostic, run: Capture, *, fresh: bool) -> Ending:
        assert diagnostic.log is not None  # noqa: S101 - decided on it
        stays = diagnostic.log.destination == destination.NODE
        try:
            target = None if stays else destination.parse(diagnostic.log.destination, self._means.allowed)
        except SettingsError as error:
            return _failure(report.UPLOAD_FAILED, cause(error))
        try:
            if fresh:
                self._means.spool.write(run.capture_id, capture.REQUEST, run.dump())
            self._say_running(diagnostic, run)
            made = self._collected(run, fresh=fresh)
        except AgentError as error:
            return _failure(report.COLLECTION_FAILED, cause(error))
        return self._kept(made, run) if target is None else self._delivered(target, made, run)

    def _collected(self, run: Capture, *, fresh: bool) -> Made:
        """Return what the collection made; start it where it neither runs nor has ended."""
        made = self._made(run)
        if made is None and (fresh or self._means.collector.trouble(run.capture_id) is not None):
            if not fresh:
                step = capture.again(run)
                if isinstance(step, GiveUp):
                    raise FailedError(f"{run.attempt} collections ended without a result", hint=_SEE_COLLECTOR)
                run = step.capture
                self._means.spool.write(run.capture_id, capture.REQUEST, run.dump())
            self._log.info("log capture started", capture=run.capture_id, attempt=run.attempt)
            self._means.collector.start(run.capture_id)
        made = made or self._awaited(run)
        if made.error:
            raise FailedError(made.error)
        return made

    def _awaited(self, run: Capture) -> Made:
        waited = 0.0
        while waited < run.deadline_seconds + _COLLECTOR_GRACE:
            self._pause(_RESULT_SECONDS)
            waited += _RESULT_SECONDS
            if made := self._made(run):
                return made
            trouble = self._means.collector.trouble(run.capture_id) if waited % _ALIVE_SECONDS == 0 else None
            if trouble is not None:
                if made := self._made(run):  # it ended between the two looks
                    return made
                raise FailedError(f"the collector ended without a result: {trouble}", hint=_SEE_COLLECTOR)
        self._means.collector.stop(run.capture_id)
        raise FailedError(f"log collection timed out after {run.deadline_seconds:g} s", hint=_SEE_COLLECTOR)

    def _kept(self, made: Made, run: Capture) -> Ending:
        try:
            path = self._means.shelf.keep(run.capture_id, run.name, self._tick)
        except AgentError as error:
            return _failure(report.NODE_FAILED, cause(error))
        reason, head = report.kept(made, path)
        return Ending(capture.KIND, reason, report.message(head, report.contents(made)))

    def _delivered(self, target: Destination, made: Made, run: Capture) -> Ending:
        if made.size > destination.MOST_BYTES:
            details = {"bytes": made.size, "error": "one PUT takes 5 GB at most", "hint": "ask for fewer categories"}
            return _failure(report.UPLOAD_FAILED, details)
        route = Route(target.host, target.secrets(), Lifetime(target.expires, now(), self._pulse.clock))
        done = delivery.deliver(
            lambda: self._means.put(target, run.capture_id, self._tick), route, self._pause, self._say_retrying
        )
        if done.problem:
            ending = _failure(report.UPLOAD_FAILED, done.problem)
            return Ending(ending.kind, ending.reason, destination.scrub(ending.text, route.secrets))
        reason, head = report.delivered(made)
        text = report.message(head, {**report.contents(made), "attempts": done.attempts})
        return Ending(capture.KIND, reason, text)

    def _say_running(self, diagnostic: NodeDiagnostic, run: Capture) -> None:
        text = f"collecting {', '.join(run.categories) or 'nothing'}"
        patiently(lambda: self._writer.running(capture.KIND, diagnostic, run, text), self._pause)
        self._means.publish("ok", f"log capture {run.capture_id} is under way")

    def _say_retrying(self, why: str) -> None:
        self._log.warning("the upload will be tried again", cause=why)
        self._means.publish("retrying", why)

    def _say_stopped(self, diagnostic: NodeDiagnostic, run: Capture) -> None:
        """Mark the capture as ended, if the API server answers soon; else the next start goes on with it."""
        head = f"{report.COLLECTION_FAILED}: log collection stopped: context canceled"
        details = {"cause": "the agent was stopped", "hint": "edit or recreate the object"}
        stopped = Ending(capture.KIND, Reason.FAILURE, report.message(head, details))
        with contextlib.suppress(SupersededError):
            self._complete(diagnostic, run, self._written_ending(run) or stopped)
        self._means.collector.stop(run.capture_id)
        self._means.spool.remove(run.capture_id)

    def _complete(self, diagnostic: NodeDiagnostic, run: Capture, ending: Ending) -> None:
        with self._pulse.last_words(_LAST_WORDS_SECONDS):
            patiently(lambda: self._writer.completed(diagnostic, run, ending), self._pause)
        self._answered[ending.kind] = (diagnostic.uid, diagnostic.generation)
        self._means.spool.remove(run.capture_id)
        self._writer.tell(diagnostic, run, str(ending.reason), ending.text)

    def _spooled(self, diagnostic: NodeDiagnostic) -> Capture | None:
        """Return the capture in the spool that answers the object, if there is one."""
        for name in filter(capture.is_capture_id, self._means.spool.captures()):
            try:
                content = self._means.spool.read(name, capture.REQUEST)
                found = None if content is None else capture.parse(content)
            except AgentError:
                continue  # it is swept
            if found is not None and found.capture_id == name and capture.belongs(found, diagnostic):
                return found
        return None

    def _sweep(self, *, keep: str | None) -> None:
        for name in self._means.spool.captures():
            if name != keep:
                self._log.info("swept the spool", capture=name)
                if capture.is_capture_id(name):
                    self._means.collector.stop(name)
                self._means.spool.remove(name)

    def _made(self, run: Capture) -> Made | None:
        content = self._means.spool.read(run.capture_id, capture.RESULT)
        return None if content is None else capture.parse_made(content)

    def _pause(self, seconds: float) -> None:
        self._means.observer.wait(seconds, self._tick)
        self._check_wanted()

    def _tick(self) -> None:
        """Run during every wait of a capture: stop, or give it up where nobody waits for it any more."""
        self._pulse()
        if self._pulse.clock() - self._looked >= _LOOK_SECONDS:
            self._looked = self._pulse.clock()
            self._means.shelf.sweep()
            self._means.observer.look()
            self._packets.step()
            self._check_wanted()

    def _idle_tick(self) -> None:
        """Run while no log capture is under way; the wait itself looks for news."""
        self._pulse()
        self._packets.step()

    def _check_wanted(self) -> None:
        if self._active is not None and not self._is_wanted(self._active):
            raise SupersededError

    def _is_wanted(self, run: Capture) -> bool:
        return capture.belongs(run, api.current(self._means.observer.current))

    def _publish(self) -> None:
        trouble = self._means.observer.trouble
        if trouble is not None:
            self._means.publish("waiting", str(trouble))
        elif self._means.observer.synced:
            self._means.publish("ok", "watching this node's NodeDiagnostic")


_SEE_COLLECTOR = "see the journal of node-agent-collect@.service"


def _failure(head: str, details: Mapping[str, object]) -> Ending:
    return Ending(capture.KIND, Reason.FAILURE, report.message(head, details))
