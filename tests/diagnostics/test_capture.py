from dataclasses import replace
from typing import Any

import pytest

from agent.diagnostics import capture
from agent.diagnostics.api import LogRequest, NodeDiagnostic
from agent.diagnostics.capture import Begin, Capture, GiveUp, Idle, Made, Resume
from agent.errors import FailedError

OLD = "0b8e0d1c-6a5e-4a0e-9f5e-2f1f4a3c9d10"
NEW = "11111111-2222-4333-8444-555555555555"
NOW = "2026-11-22T16:00:00Z"
BEFORE = "2026-11-22T15:00:00Z"
SPOOLED = Capture(OLD, "u-1", 3, "i-1", ("Base",), BEFORE)


def asked(**state: Any) -> NodeDiagnostic:
    entries = {"Log": {"type": "Log", "state": state}} if state else {}
    return NodeDiagnostic("i-1", "u-1", 3, LogRequest("https://s3.example/", ("Base",)), entries=entries)


def said(generation: int | None, capture_id: str = OLD) -> dict[str, Any]:
    return {"startedAt": BEFORE, "captureID": capture_id, "observedGeneration": generation}


def decide(diagnostic: NodeDiagnostic | None, spooled: Capture | None = None) -> capture.Step:
    return capture.decide(diagnostic, spooled, new_id=NEW, now=NOW)


def test_nothing_is_asked() -> None:
    assert decide(None) == Idle()
    assert decide(replace(asked(), log=None), SPOOLED) == Idle()


def test_a_new_request_begins() -> None:
    assert decide(asked()) == Begin(Capture(NEW, "u-1", 3, "i-1", ("Base",), NOW))


def test_an_answered_generation_is_idle_whatever_the_spool_holds() -> None:
    assert decide(asked(completed=said(3)), SPOOLED) == Idle()


def test_an_edited_object_begins_anew() -> None:
    step = decide(asked(completed=said(2)), replace(SPOOLED, generation=2))
    assert step == Begin(Capture(NEW, "u-1", 3, "i-1", ("Base",), NOW))


def test_a_capture_in_the_spool_is_resumed_though_the_status_was_never_written() -> None:
    assert decide(asked(), SPOOLED) == Resume(SPOOLED)
    assert decide(asked(running=said(3)), SPOOLED) == Resume(SPOOLED)


def test_another_objects_capture_is_not_resumed() -> None:
    step = decide(asked(running=said(3)), replace(SPOOLED, uid="u-0"))
    assert isinstance(step, Begin)


def test_what_runs_by_its_status_alone_is_collected_once_more_under_its_id() -> None:
    assert decide(asked(running=said(3))) == Begin(replace(SPOOLED, attempt=2))


def test_an_id_of_a_stranger_names_no_folder() -> None:
    step = decide(asked(running=said(3, "../../etc")))
    assert isinstance(step, Begin)
    assert step.capture.capture_id == NEW


def test_a_second_collection_is_the_last() -> None:
    second = capture.again(SPOOLED)
    assert second == Begin(replace(SPOOLED, attempt=2))
    assert capture.again(second.capture) == GiveUp(second.capture)


def test_request_and_result_survive_the_spool() -> None:
    made = Made(10, "ab" * 32, 3, ("a", "b"))
    assert capture.parse(SPOOLED.dump()) == SPOOLED
    assert capture.parse_made(made.dump()) == made


def test_a_result_is_small_however_much_failed() -> None:
    names = [f"var_log/kube-system_x/{number:05}-{'ü' * 9000}" for number in range(20_000)]
    made = capture.made(10, "ab" * 32, 20_100, names)
    assert len(made.dump()) < 1 << 18
    assert len(made.failed) + made.more == 20_000
    assert made.failed[0].startswith("var_log/kube-system_x/00000-")
    assert capture.parse_made(made.dump()) == made
    assert capture.made(10, "ab", 3, ["a", "b"]) == Made(10, "ab", 3, ("a", "b"))


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"categories": []}', b"\xff"])
def test_a_damaged_spool_is_said(text: bytes) -> None:
    with pytest.raises(FailedError, match="remove its folder"):
        capture.parse(text)
    with pytest.raises(FailedError, match="remove its folder"):
        capture.parse_made(text)


def test_a_request_with_a_path_for_an_id_is_refused() -> None:
    with pytest.raises(FailedError, match="no capture ID"):
        capture.parse(replace(SPOOLED, capture_id="../x").dump())
