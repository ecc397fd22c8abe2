"""The service with fakes at its edges and a real spool: order of what it says and does."""

from pathlib import Path

import pytest
from diagnostics.service_world import BUSY, DENIED, DONE, ID, NEW, Tick, World, an_object

from agent.diagnostics import capture
from agent.diagnostics.answer import Verdict
from agent.diagnostics.capture import Capture, Made
from agent.diagnostics.destination import MOST_BYTES, Destination
from agent.errors import FailedError, TemporaryError
from agent.host.kube import ApiError


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


def test_a_defect_ends_the_capture_and_not_the_daemon(tmp_path: Path) -> None:
    world = World(tmp_path, an_object())
    world.answers = [ZeroDivisionError("secret-detail")]
    world.run()
    reason, message = world.ending()
    assert reason == "Failure"
    assert "a defect of the agent: ZeroDivisionError" in message
    assert "secret-detail" not in message
    assert world.spool.captures() == []


def test_a_bad_destination_is_said_before_anything_is_collected(tmp_path: Path) -> None:
    world = World(tmp_path, an_object(logCapture={"destination": "http://a"})).run()
    assert "not an https URL" in world.ending()[1]
    assert world.collections == []


def test_a_bundle_that_no_put_can_take_is_refused_before_the_upload_with_the_cure(tmp_path: Path) -> None:
    world = World(tmp_path, an_object())
    made = Made(MOST_BYTES + 1, "ab", 3, ())
    world.collects = lambda capture_id: world.spool.write(capture_id, capture.RESULT, made.dump())
    assert world.run().ending() == (
        "Failure",
        "fatal error during log upload process; bytes=5000000001; error=one PUT takes 5 GB at most; "
        "hint=ask for fewer categories",
    )
    assert (world.puts, world.spool.captures()) == (0, [])


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


def test_why_there_is_no_bundle_is_said_as_the_collector_has_it(tmp_path: Path) -> None:
    world = World(tmp_path, an_object())
    made = Made(0, "", 0, (), error="no space for a bundle: 9 MiB are free; free space")
    world.collects = lambda capture_id: world.spool.write(capture_id, capture.RESULT, made.dump())
    reason, message = world.run().ending()
    assert reason == "Failure"
    assert "error=no space for a bundle: 9 MiB are free" in message
    assert world.puts == 0


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


class Deaf(World):
    """A world whose watch tells nothing any more: only who asks for the object sees that it is gone."""

    def ask_anew(self) -> None:
        super().ask_anew()
        self.current = None


@pytest.mark.parametrize("status", [404, 409])
def test_an_object_that_went_away_unheard_is_asked_for(tmp_path: Path, status: int) -> None:
    world = Deaf(tmp_path, an_object())
    world.refusals = [ApiError("gone", status)] * 9
    world.script = [lambda: None]
    world.run()
    assert (world.asked_anew, len(world.refusals)) == (1, 8)
    assert (world.patches, world.collections, world.spool.captures()) == ([], [], [])


class Contested(World):
    """A world where somebody else writes the object as the first capture is to be said to have ended."""

    status = 0

    def put(self, target: Destination, capture_id: str, tick: Tick) -> Verdict:
        self.refusals = [ApiError("the object has been modified", self.status)] * (3 if self.puts == 0 else 0)
        self.script = [lambda: None] * 3
        return super().put(target, capture_id, tick)


@pytest.mark.parametrize("status", [404, 409])
def test_a_conflict_about_an_object_that_is_still_there_costs_no_capture(tmp_path: Path, status: int) -> None:
    world = Contested(tmp_path, an_object())
    world.status = status
    world.run()
    assert (world.collections, world.puts, world.asked_anew) == ([NEW], 1, 3)
    assert world.ending()[0] == "Success"


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


class Unheard(World):
    """A world where the API server goes away during the upload, and the daemon is stopped after it."""

    def put(self, target: Destination, capture_id: str, tick: Tick) -> Verdict:
        self.refusals = [TemporaryError("away")] * 99
        self.script = [lambda: setattr(self, "stopped", True)]
        return super().put(target, capture_id, tick)


def test_what_was_uploaded_and_could_not_be_said_is_said_by_the_next_start(tmp_path: Path) -> None:
    first = Unheard(tmp_path, an_object()).run()
    assert (first.puts, first.spool.captures()) == (1, [NEW])
    assert [state for state in first.states() if "reason" in state] == []
    second = World(tmp_path, an_object()).run()
    assert (second.ending()[0], second.puts, second.collections) == ("Success", 0, [])
    assert second.spool.captures() == []
