"""The service's surroundings as fakes with a real spool, whose waits a test writes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent import packet_capture
from agent.diagnostics import capture
from agent.diagnostics.answer import Next, Verdict
from agent.diagnostics.capture import Made
from agent.diagnostics.destination import Destination
from agent.diagnostics.form import Form
from agent.diagnostics.means import Means, Packets
from agent.diagnostics.pulse import Pulse, StoppedError
from agent.diagnostics.service import Service
from agent.errors import AgentError, FailedError
from agent.host.spool import Spool
from agent.packet_capture import Ended, PacketRequest, PacketResult, Sent

ID = "0b8e0d1c-6a5e-4a0e-9f5e-2f1f4a3c9d10"
NEW = "11111111-2222-4333-8444-555555555555"
URL = "https://s3.us-west-2.amazonaws.com/b/k?X-Amz-Signature=0f1e2d3c4b5a"
DONE = Verdict(Next.DONE, 200)
BUSY = Verdict(Next.AGAIN, 503, "SlowDown", "Please reduce your request rate")
DENIED = Verdict(Next.GIVE_UP, 403, "AccessDenied", "Request has expired 0f1e2d3c4b5a")
Tick = Callable[[], None]


def an_object(generation: int = 1, uid: str = "u-1", **spec: Any) -> dict[str, Any]:
    logs = {"logCapture": {"destination": URL, "categories": ["Base"]}}
    return {"metadata": {"name": "i-1", "uid": uid, "generation": generation}, "spec": spec or logs}


class FillingSpool(Spool):
    """A spool whose disk fills up once a capture has been written down there."""

    full = False

    def write(self, capture: str, name: str, content: bytes) -> None:
        if self.full and name != packet_capture.REQUEST:
            raise FailedError("No space left on device")
        super().write(capture, name, content)


class PacketSide:
    """The unit and the sender of packet captures: each does at once what its process would."""

    def __init__(self, folder: Path) -> None:
        self.spool = FillingSpool(folder)
        self.units: list[str] = []
        self.stops: list[str] = []
        self.started: list[PacketRequest] = []
        self.result: PacketResult | None = PacketResult(Ended.DURATION, 2, 40, 0)
        self.stopped_result = PacketResult(Ended.STOPPED, 1)
        self.sent = Sent(2, 100)
        self.ended: str | None = None
        self.running = False
        self.sends = True

    def start(self, what: str | PacketRequest, form: Form | None = None) -> None:
        if isinstance(what, PacketRequest):
            assert form is not None
            self.started.append(what)
            if not self.sends:
                return
            (self.spool.place(what.capture_id) / packet_capture.chunk_name(0)).unlink(missing_ok=True)
            self.spool.write(what.capture_id, packet_capture.SENT, self.sent.dump())
            return
        self.units.append(what)
        if self.spool.full:
            return
        self.spool.write(what, packet_capture.chunk_name(0), b"packets")
        if self.result is not None:
            self.spool.write(what, packet_capture.RESULT, self.result.dump())

    def stop(self, capture_id: str = "") -> None:
        if capture_id:
            self.stops.append(capture_id)
            if not self.spool.full and capture_id in self.spool.captures():
                self.spool.write(capture_id, packet_capture.RESULT, self.stopped_result.dump())

    def trouble(self, _capture_id: str) -> str | None:
        return self.ended


class World:
    """Everything that the service works with; `script` has what happens during the coming waits."""

    def __init__(self, folder: Path, current: dict[str, Any] | None) -> None:
        self.current = current
        self.synced = True
        self.trouble: AgentError | None = None
        self.spool = Spool(folder / "logs")
        self.stopped = False
        self.waits = 0
        self.script: list[Callable[[], None]] = []
        self.patches: list[dict[str, Any]] = []
        self.refusals: list[AgentError] = []
        self.asked_anew = 0
        self.events: list[str] = []
        self.collections: list[str] = []
        self.collects: Callable[[str], None] = self.collect
        self.ended: str | None = "failed, result oom-kill"
        self.stops: list[str] = []
        self.answers: list[Verdict | Exception] = [DONE]
        self.puts = 0
        self.refused_shelf: AgentError | None = None
        self.sweeps = 0
        self.published: list[tuple[str, str]] = []
        self.packets = PacketSide(folder / "packets")

    def run(self) -> "World":
        pulse = Pulse(lambda: self.stopped, lambda: None, interval=None, clock=lambda: float(self.waits))
        packets = Packets(self.packets.spool, self.packets, self.packets)
        means = Means(self, self, self.spool, Collector(self), self.put, self, packets, self.publish, lambda: NEW)
        with pytest.raises(StoppedError):
            Service(means, pulse).run()
        return self

    def wait(self, _seconds: float, tick: Tick) -> None:
        if self.script:
            self.script.pop(0)()
        elif self.current is None or self.trouble or all(map(self.answered, self.asked())):
            self.stopped = True
        self.waits += 1
        assert self.waits < 200, "the service waits for something that never comes"
        tick()

    def asked(self) -> list[str]:
        """Return the kinds that the object asks for."""
        spec = self.current["spec"] if self.current else {}
        return [kind for kind, name in (("Log", "logCapture"), ("Packet", "packetCapture")) if name in spec]

    def answered(self, kind: str) -> bool:
        """Whether the status says how the capture of the current generation ended."""
        generation = self.current["metadata"]["generation"] if self.current else 0
        return any("reason" in state and state["observedGeneration"] == generation for state in self.states(kind))

    def look(self) -> bool:
        return False

    def ask_anew(self) -> None:
        self.asked_anew += 1

    def patch(self, _path: str, body: dict[str, Any]) -> dict[str, Any]:
        if self.refusals:
            raise self.refusals.pop(0)
        self.patches.append(body)
        assert self.current is not None
        return {**self.current, "status": body["status"]}

    def post(self, _path: str, body: dict[str, Any]) -> dict[str, Any]:
        self.events.append(body["reason"])
        return body

    def start(self, capture_id: str) -> None:
        self.collections.append(capture_id)
        self.collects(capture_id)

    def collect(self, capture_id: str) -> None:
        (self.spool.place(capture_id) / capture.BUNDLE).write_bytes(b"bundle")
        self.spool.write(capture_id, capture.RESULT, Made(6, "ab", 3, ()).dump())

    def stop(self, capture_id: str) -> None:
        self.stops.append(capture_id)

    def put(self, _target: Destination, capture_id: str, tick: Tick) -> Verdict:
        tick()
        assert self.spool.read(capture_id, capture.BUNDLE) == b"bundle"
        self.puts += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def keep(self, capture_id: str, node: str, tick: Tick) -> str:
        tick()
        assert self.spool.read(capture_id, capture.BUNDLE) == b"bundle"
        if self.refused_shelf:
            raise self.refused_shelf
        return f"/var/log/support/{node}-logs.tar.gz"

    def sweep(self) -> None:
        self.sweeps += 1

    def publish(self, state: str, message: str) -> None:
        self.published.append((state, message))

    def states(self, kind: str = "Log") -> list[dict[str, Any]]:
        entries = [entry for body in self.patches for entry in body["status"]["captureStatuses"]]
        return [next(iter(entry["state"].values())) for entry in entries if entry["type"] == kind]

    def ending(self) -> tuple[str, str]:
        last = self.states()[-1]
        return last["reason"], last["message"]


class Collector:
    """The collector's side of a world: both protocols have something called `trouble`."""

    def __init__(self, world: World) -> None:
        self.start, self.stop = world.start, world.stop
        self._world = world

    def trouble(self, _capture_id: str) -> str | None:
        return self._world.ended
