from agent.diagnostics import report
from agent.diagnostics.api import NodeDiagnostic
from agent.diagnostics.capture import Capture, Made
from agent.diagnostics.report import Ending, Reason

RUN = Capture("0b8e0d1c-6a5e-4a0e-9f5e-2f1f4a3c9d10", "u-1", 3, "i-1", ("Base",), "2026-11-22T15:00:00Z")
PACKET = {"type": "Packet", "state": {"completed": {"reason": "Failure"}}}
OBJECT = NodeDiagnostic("i-1", "u-1", 3, None, entries={"Packet": PACKET})


def test_a_message_begins_with_the_peers_text_and_leaves_out_what_has_no_value() -> None:
    text = report.message(report.UPLOAD_FAILED, {"status": 403, "code": "AccessDenied", "hint": ""})
    assert text == "fatal error during log upload process; status=403; code=AccessDenied"


def test_a_message_is_one_line_of_at_most_1_kib() -> None:
    text = report.message("head", {"error": "a;b\nc\x1b" + "ü" * 2000})
    assert text.startswith("head; error=a,b c")
    assert len(text.encode()) <= 1024
    assert text.isprintable()


def test_a_message_holds_no_presigned_query() -> None:
    assert "abcdef" not in report.message("head", {"error": "https://b.example/k?X-Amz-Signature=abcdef"})


def test_a_bundle_that_is_not_whole_is_success_with_errors() -> None:
    whole, partial = Made(1, "ab", 9, ()), Made(1, "ab", 9, tuple("abcdefg"))
    assert report.delivered(whole) == (Reason.SUCCESS, "successfully uploaded logs with no errors")
    assert report.delivered(partial) == (Reason.PARTIAL, "successfully uploaded logs with some errors")
    assert report.contents(partial)["failed"] == "a,b,c,d,e and 2 more"
    assert report.contents(whole)["failed"] == ""
    assert report.contents(Made(1, "ab", 9, tuple("abcdefg"), more=100))["failed"] == "a,b,c,d,e and 102 more"


def test_long_names_of_failed_outputs_cost_no_other_detail() -> None:
    made = Made(1, "ab" * 32, 9, tuple(f"{number}{'x' * 300}" for number in range(5)))
    text = report.message("head", report.contents(made))
    assert f"; sha256={made.sha256}; failed=0xxx" in text
    assert len(text.encode()) == 1024


def test_the_entries_have_the_peers_fields() -> None:
    running = report.running("Log", RUN)["state"]["running"]
    assert running == {"startedAt": RUN.started_at, "captureID": RUN.capture_id, "observedGeneration": 3}
    completed = report.completed(RUN, Ending("Log", Reason.FAILURE, "why"), now="2026-11-22T15:01:00Z")
    assert completed["type"] == "Log"
    assert completed["state"]["completed"] == {
        **running,
        "reason": "Failure",
        "message": "why",
        "finishedAt": "2026-11-22T15:01:00Z",
    }


def test_a_patch_has_every_kind_and_names_the_uid() -> None:
    entries = {"Packet": PACKET, "Log": report.running("Log", RUN)}
    body = report.patch(OBJECT, entries, now="2026-11-22T15:01:00Z")
    assert body["metadata"] == {"uid": "u-1"}
    assert [entry["type"] for entry in body["status"]["captureStatuses"]] == ["Log", "Packet"]


def test_an_event_names_the_object() -> None:
    body = report.event(OBJECT, RUN, "Failure", "why", now="2026-11-22T15:01:00Z")
    assert body["metadata"]["name"] == f"i-1.{RUN.capture_id}.failure"
    assert (body["type"], body["reason"]) == ("Warning", "CaptureFailure")
    assert body["involvedObject"]["uid"] == "u-1"
