"""Packet captures of the service with fakes at its edges: beside logs, refused, broken off, cancelled, stopped."""

from pathlib import Path
from typing import Any

import pytest
from diagnostics.service_world import ID, NEW, URL, World, an_object

from agent import packet_capture
from agent.errors import TemporaryError
from agent.packet_capture import Ended, PacketRequest, PacketResult, Sent

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


def test_a_capture_ends_although_the_disk_takes_nothing_any_more(tmp_path: Path) -> None:
    world = with_packets(tmp_path)
    world.packets.result, world.packets.ended = None, "failed, result exit-code"
    world.packets.spool.full, world.packets.sends = True, False
    world.script = [lambda: None] * 100
    completed = world.run().states("Packet")[-1]
    assert completed["reason"] == "Failure"
    assert "No space left on device" in completed["message"]


def test_a_sender_that_ends_again_and_again_is_said(tmp_path: Path) -> None:
    world = with_packets(tmp_path)
    world.packets.sends = False
    world.script = [lambda: None] * 20
    message = world.run().states("Packet")[-1]["message"]
    assert "upload=the uploading process ended, see the journal of node-agent-diagnostics" in message


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
