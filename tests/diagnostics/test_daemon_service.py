"""The service with fakes at its edges and a real spool: order of what it says and does."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent import packet_capture
from agent.diagnostics import capture
from agent.diagnostics.answer import Next, Verdict
from agent.diagnostics.capture import Capture, Made
from agent.diagnostics.destination import Destination
from agent.diagnostics.form import Form
from agent.diagnostics.means import Means, Packets
from agent.diagnostics.pulse import Pulse, StoppedError
from agent.diagnostics.service import Service
from agent.errors import AgentError, FailedError, TemporaryError
from agent.host.kube import ApiError
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


class PacketSide:
    """The unit and the sender of packet captures: each does at once what its process would."""

    def __init__(self, folder: Path) -> None:
        self.spool = Spool(folder)
        self.units: list[str] = []
        self.stops: list[str] = []
        self.started: list[PacketRequest] = []
        self.result: PacketResult | None = PacketResult(Ended.DURATION, 2, 40, 0)
        self.stopped_result = PacketResult(Ended.STOPPED, 1)
        self.sent = Sent(2, 100)
        self.ended: str | None = None
        self.running = False

    def start(self, what: str | PacketRequest, form: Form | None = None) -> None:
        if isinstance(what, PacketRequest):
            assert form is not None
            self.started.append(what)
            (self.spool.place(what.capture_id) / packet_capture.chunk_name(0)).unlink(missing_ok=True)
            self.spool.write(what.capture_id, packet_capture.SENT, self.sent.dump())
            return
        self.units.append(what)
        self.spool.write(what, packet_capture.chunk_name(0), b"packets")
        if self.result is not None:
            self.spool.write(what, packet_capture.RESULT, self.result.dump())

    def stop(self, capture_id: str = "") -> None:
        if capture_id:
            self.stops.append(capture_id)
            if capture_id in self.spool.captures():
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
        self.events: list[str] = []
        self.collections: list[str] = []
        self.collects: Callable[[str], None] = self.collect
        self.ended: str | None = "failed, result oom-kill"
        self.stops: list[str] = []
        self.answers: list[Verdict | AgentError] = [DONE]
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
        if isinstance(answer, AgentError):
            raise answer
        return answer

    def keep(self, capture_id: str, node: str) -> str:
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


def spooled(world: World, *, attempt: int = 1, generation: int = 1) -> None:
    run = Capture(ID, "u-1", generation, "i-1", ("Base",), "2026-11-22T15:00:00Z", attempt)
    world.spool.write(ID, capture.REQUEST, run.dump())


def test_a_request_is_answered_and_nothing_is_left(tmp_path: Path) -> None:
    world = World(tmp_path, an_object()).run()
    running, completed = world.states()
    assert (running["captureID"], running["observedGeneration"]) == (NEW, 1)
    assert completed["startedAt"] == running["startedAt"]
    text = "successfully uploaded logs with no errors; outputs=3; bytes=6; sha256=ab; attempts=1"
    assert world.ending() == ("Success", text)
    assert world.events == ["CaptureStarted", "CaptureSuccess"]
    assert (world.collections, world.puts, world.spool.captures()) == ([NEW], 1, [])


def test_without_an_object_the_spool_is_swept(tmp_path: Path) -> None:
    world = World(tmp_path, None)
    spooled(world)
    world.spool.place("lost+found")
    world.run()
    assert (world.spool.captures(), world.stops, world.patches) == ([], [ID], [])


def test_before_the_api_server_has_answered_nothing_is_swept(tmp_path: Path) -> None:
    world = World(tmp_path, None)
    spooled(world)
    world.synced, world.trouble = False, TemporaryError("no answer", hint="wait")
    world.run()
    assert world.spool.captures() == [ID]
    assert world.published == [("waiting", "no answer; wait")]


def test_a_busy_server_is_asked_again(tmp_path: Path) -> None:
    world = World(tmp_path, an_object())
    world.answers = [BUSY, TemporaryError("the connection failed"), DONE]
    world.script = [lambda: None] * 5
    world.run()
    assert world.ending()[0] == "Success"
    assert world.puts == 3
    assert ("retrying", "the connection failed") in world.published


def test_a_refusal_is_in_s3s_words_without_the_query(tmp_path: Path) -> None:
    world = World(tmp_path, an_object())
    world.answers = [DENIED]
    reason, text = world.run().ending()
    assert reason == "Failure"
    assert text.startswith(
        "fatal error during log upload process; status=403; code=AccessDenied; s3=Request has expired"
    )
    assert "0f1e2d3c4b5a" not in text
    assert world.spool.captures() == []


def test_a_refused_peer_is_a_failure(tmp_path: Path) -> None:
    world = World(tmp_path, an_object())
    world.answers = [FailedError("the destination's address 169.254.169.254 is refused", hint="give another")]
    reason, text = world.run().ending()
    assert reason == "Failure"
    assert "error=the destination's address 169.254.169.254 is refused; hint=give another; host=s3." in text


def test_a_bad_destination_is_said_before_anything_is_collected(tmp_path: Path) -> None:
    world = World(tmp_path, an_object(logCapture={"destination": "http://a"})).run()
    assert "not an https URL" in world.ending()[1]
    assert world.collections == []


def test_a_bundle_may_stay_on_the_node(tmp_path: Path) -> None:
    world = World(tmp_path, an_object(logCapture={"destination": "node"})).run()
    reason, text = world.ending()
    assert (reason, world.puts) == ("Success", 0)
    assert text.startswith("successfully saved logs to /var/log/support/i-1-logs.tar.gz; outputs=3; ")
    assert world.sweeps > 0


def test_a_bundle_that_cannot_stay_is_a_failure_in_the_peers_words(tmp_path: Path) -> None:
    world = World(tmp_path, an_object(logCapture={"destination": "node"}))
    world.refused_shelf = FailedError("cannot write: No space left on device")
    reason, text = world.run().ending()
    assert reason == "Failure"
    assert text.startswith("failed to write logs to file; error=cannot write: No space left on device")


def test_a_finished_bundle_is_uploaded_after_a_restart(tmp_path: Path) -> None:
    world = World(tmp_path, an_object())
    spooled(world)
    world.collect(ID)
    world.run()
    assert (world.collections, world.puts) == ([], 1)
    assert world.states()[-1]["captureID"] == ID


def test_a_collection_that_still_runs_is_waited_for(tmp_path: Path) -> None:
    world = World(tmp_path, an_object())
    spooled(world)
    world.ended = None
    world.script = [lambda: None, lambda: world.collect(ID)]
    world.run()
    assert (world.collections, world.ending()[0]) == ([], "Success")


def test_a_lost_collection_is_made_once_more_and_no_third_time(tmp_path: Path) -> None:
    world = World(tmp_path / "a", an_object())
    spooled(world)
    assert world.run().ending()[0] == "Success"
    assert world.collections == [ID]
    world = World(tmp_path / "b", an_object())
    spooled(world, attempt=2)
    reason, text = world.run().ending()
    assert (reason, world.collections) == ("Failure", [])
    assert text.startswith("fatal error during log collection process; error=2 collections ended without a result")


def test_a_collector_that_dies_is_said(tmp_path: Path) -> None:
    world = World(tmp_path, an_object())
    world.collects = lambda _: None
    world.script = [lambda: None] * 20
    assert "error=the collector ended without a result: failed, result oom-kill" in world.run().ending()[1]


def test_an_edit_drops_the_capture_and_begins_anew(tmp_path: Path) -> None:
    world = World(tmp_path, an_object())
    world.collects = lambda _: None

    def edit() -> None:
        world.current, world.collects, world.ended = an_object(generation=2), world.collect, None

    world.ended = None
    world.script = [lambda: None, edit]
    world.run()
    assert [state["observedGeneration"] for state in world.states()] == [1, 2, 2]
    assert world.puts == 1


@pytest.mark.parametrize("status", [404, 409])
def test_an_object_that_went_away_gets_no_result(tmp_path: Path, status: int) -> None:
    world = World(tmp_path, an_object())
    world.refusals = [ApiError("gone", status)]

    def delete() -> None:
        world.current = None

    world.script = [delete]
    world.run()
    assert (world.patches, world.collections, world.spool.captures()) == ([], [], [])


def test_a_status_is_written_however_often_it_is_refused(tmp_path: Path) -> None:
    world = World(tmp_path, an_object())
    world.refusals = [TemporaryError("503"), ApiError("no RBAC yet", 403)]
    world.script = [lambda: None] * 2
    assert world.run().ending()[0] == "Success"


def test_a_stop_in_mid_capture_is_said(tmp_path: Path) -> None:
    world = World(tmp_path, an_object())
    world.collects = lambda _: None
    world.ended = None
    world.script = [lambda: setattr(world, "stopped", True)]
    reason, text = world.run().ending()
    assert reason == "Failure"
    assert "log collection stopped: context canceled; cause=the agent was stopped" in text
    assert (world.stops, world.spool.captures()) == ([NEW], [])


PACKETS = {"duration": "5s", "upload": {"url": "https://s3.example.com/b", "fields": {"key": "a/${filename}"}}}
LOGS = {"destination": URL}


def with_packets(folder: Path, **change: Any) -> World:
    return World(folder, an_object(packetCapture={**PACKETS, **change}))


def test_packets_and_logs_of_one_object_are_answered_side_by_side(tmp_path: Path) -> None:
    world = World(tmp_path, an_object(logCapture=LOGS, packetCapture=PACKETS)).run()
    assert world.ending()[0] == "Success"
    running, completed = world.states("Packet")[0], world.states("Packet")[-1]
    assert (running["captureID"], running["observedGeneration"]) == (NEW, 1)
    text = "packet capture completed successfully.; chunks=2; bytes=100; packets=40; dropped=0"
    assert (completed["reason"], completed["message"]) == ("Success", text)
    assert [entry["type"] for entry in world.patches[-1]["status"]["captureStatuses"]] == ["Log", "Packet"]
    conditions = {entry["type"]: entry["status"] for entry in world.patches[-1]["status"]["conditions"]}
    assert conditions == {"LogCaptured": "True", "PacketsCaptured": "True", "Ready": "True"}
    assert world.packets.spool.captures() == []


def test_packets_go_on_while_a_log_capture_waits(tmp_path: Path) -> None:
    world = World(tmp_path, an_object(logCapture=LOGS, packetCapture=PACKETS))
    world.collects = lambda _: None
    world.ended = None
    world.script = [lambda: None, lambda: None, lambda: world.collect(NEW)]
    world.run()
    kinds = [next(iter(entry["state"])) for entry in world.patches[-1]["status"]["captureStatuses"]]
    assert kinds == ["completed", "completed"]
    assert world.answered("Packet")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"filter": "-w /etc/passwd"}, "packet capture failed.; error=the filter begins with -"),
        ({"interface": "../x"}, "packet capture failed.; error=the interface has no name of one"),
        (
            {"upload": {"url": "http://a", "fields": {"key": "a"}}},
            "packet capture failed.; error=the destination is not",
        ),
        ({"upload": {"url": "https://a.b", "fields": {}}}, "packet capture failed.; error=upload.fields has no key"),
        (
            {"duration": "2h"},
            'invalid or excessive duration "2h" (max 1h0m0s). '
            "Delete this resource with: kubectl delete nodediagnostic i-1",
        ),
    ],
)
def test_a_packet_capture_that_cannot_be_is_said_before_it_begins(
    tmp_path: Path, change: dict[str, Any], text: str
) -> None:
    world = with_packets(tmp_path, **change).run()
    assert world.states("Packet")[-1]["message"].startswith(text)
    assert (world.packets.units, world.packets.started) == ([], [])


def test_a_refused_upload_ends_the_capture(tmp_path: Path) -> None:
    world = with_packets(tmp_path)
    world.packets.result = None
    world.packets.sent = Sent(1, 50, "status=403; code=AccessDenied")
    world.script = [lambda: None] * 3
    completed = world.run().states("Packet")[-1]
    text = "packet capture failed.; upload=status=403, code=AccessDenied; chunks=1; bytes=50"
    assert (completed["reason"], completed["message"]) == ("Failure", text)
    assert world.packets.stops[0] == NEW


def test_a_refused_upload_after_the_end_counts_what_is_missing(tmp_path: Path) -> None:
    world = with_packets(tmp_path)
    world.packets.sent = Sent(1, 50, "status=403")
    message = world.run().states("Packet")[-1]["message"]
    assert message.startswith("packet capture completed but 1 file uploads failed.; upload=status=403; ")


def test_a_key_without_a_place_for_the_name_is_no_full_success(tmp_path: Path) -> None:
    world = with_packets(tmp_path, upload={"url": "https://s3.example.com/b", "fields": {"key": "a"}})
    completed = world.run().states("Packet")[-1]
    assert completed["reason"] == "SuccessWithErrors"
    assert "note=every chunk went to the same object" in completed["message"]


def test_a_capture_that_broke_off_is_started_once_to_clean_up(tmp_path: Path) -> None:
    world = with_packets(tmp_path)
    request = PacketRequest(ID, "u-1", 1, "i-1", "2026-11-22T15:00:00Z", 5, 10)
    world.packets.spool.write(ID, packet_capture.REQUEST, request.dump())
    world.packets.ended, world.packets.result = "failed", PacketResult(Ended.BROKEN_OFF, 2, error="broken off")
    completed = world.run().states("Packet")[-1]
    assert (completed["captureID"], completed["startedAt"]) == (ID, "2026-11-22T15:00:00Z")
    assert (completed["reason"], world.packets.units) == ("Failure", [ID])


def test_a_capture_that_is_nowhere_any_more_is_cancelled_by_the_next(tmp_path: Path) -> None:
    world = with_packets(tmp_path)
    assert world.current is not None
    running = {"startedAt": "2026-11-22T15:00:00Z", "captureID": ID, "observedGeneration": 1}
    world.current["status"] = {"captureStatuses": [{"type": "Packet", "state": {"running": running}}]}
    message = world.run().states("Packet")[-1]["message"]
    assert message.startswith(f"packet capture completed successfully. Previous capture {ID} was cancelled.; chunks=2")


def test_an_edit_cancels_the_packet_capture_and_begins_anew(tmp_path: Path) -> None:
    world = with_packets(tmp_path)
    world.packets.result = None

    def edit() -> None:
        world.packets.result = PacketResult(Ended.DURATION, 2)
        world.current = {**(world.current or {}), **an_object(generation=2, packetCapture=PACKETS)}

    world.script = [lambda: None, edit]
    world.run()
    assert world.packets.stops[0] == NEW
    assert world.states("Packet")[-1]["observedGeneration"] == 2
    assert world.states("Packet")[-1]["message"].startswith(
        f"packet capture completed successfully. Previous capture {NEW} was cancelled."
    )


def test_a_deleted_object_ends_its_packet_capture(tmp_path: Path) -> None:
    world = with_packets(tmp_path)
    world.packets.result = None
    world.script = [lambda: None, lambda: setattr(world, "current", None)]
    world.run()
    assert (world.packets.stops[0], world.packets.spool.captures()) == (NEW, [])
    assert [state for state in world.states("Packet") if "reason" in state] == []


def test_a_stop_in_mid_packet_capture_is_said(tmp_path: Path) -> None:
    world = with_packets(tmp_path)
    world.packets.result = None
    world.packets.sent = Sent(1, 50)
    world.script = [lambda: None, lambda: setattr(world, "stopped", True)]
    completed = world.run().states("Packet")[-1]
    text = "packet capture failed.; error=the agent or its unit was stopped; chunks=1; bytes=50"
    assert (completed["reason"], completed["message"]) == ("Failure", text)


def test_the_status_of_a_packet_capture_is_written_however_often_it_is_refused(tmp_path: Path) -> None:
    world = with_packets(tmp_path)
    world.refusals = [TemporaryError("503")]
    world.script = [lambda: None] * 8
    assert world.run().states("Packet")[-1]["reason"] == "Success"
