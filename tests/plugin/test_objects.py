"""The objects that the plug-in makes, and how it reads others."""

from typing import Any

import pytest

from kubectl_node_diagnostic import objects

NODE = "i-0123456789abcdef0"


def found(status: dict[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
    made = objects.body(NODE, destination="node", bundle="here", categories=("Base",), run="r1")
    named = {"uid": "u1", "resourceVersion": "7", "generation": 2, "creationTimestamp": "2026-11-22T10:00:00Z"}
    entries = {"captureStatuses": [{"type": "Packet", "state": {}}, {"type": "Log", "state": status}]}
    return {**made, "metadata": {**made["metadata"], **named, **metadata}, "status": entries if status else {}}


def completed(**more: Any) -> dict[str, Any]:
    return {"completed": {"reason": "Success", "message": "done; bytes=12; sha256=ab01", **more}, "running": None}


def test_what_we_made_is_known_again() -> None:
    item = objects.parse(found())
    assert (item.run, item.bundle, item.capture, item.ended) == ("r1", "here", None, None)


def test_a_run_label_without_our_name_is_somebody_elses() -> None:
    item = objects.parse(found(labels={objects.RUN: "r1"}, managedFields=[{"manager": "kubectl-create"}]))
    assert (item.run, item.bundle) == ("", "")
    message, hint = objects.in_the_way(item)
    assert "made by kubectl-create at 2026-11-22T10:00:00Z; its capture has not ended" in message
    assert hint.endswith(f"kubectl delete nodediagnostic {NODE}")


@pytest.mark.parametrize(("generation", "ended"), [({}, True), ({"observedGeneration": 2}, True)])
def test_a_capture_has_ended_for_this_spec(generation: dict[str, int], ended: bool) -> None:
    item = objects.parse(found(completed(**generation)))
    assert (item.ended is not None) is ended


def test_the_end_of_an_older_spec_is_none() -> None:
    assert objects.parse(found(completed(observedGeneration=1))).ended is None
    assert objects.parse(found({"running": {"startedAt": "x"}})).ended is None


def test_size_and_digest_are_read_from_the_message() -> None:
    ended = objects.parse(found(completed())).ended
    assert ended is not None
    assert (ended.size, ended.sha256) == (12, "ab01")


def test_a_detail_that_the_agent_cut_off_is_not_believed() -> None:
    message = f"done; failed={'x' * 980}; bytes=12; sha256=" + "ab" * 32
    ended = objects.parse(found(completed(message=message[:1024]))).ended
    assert ended is not None
    assert (ended.size, ended.sha256) == (12, "")


@pytest.mark.parametrize("message", ["done", "done; bytes=; sha256=", "bytes=1", "done; bytes=99999999999999999999"])
def test_a_message_without_them_is_fine(message: str) -> None:
    ended = objects.parse(found(completed(message=message))).ended
    assert ended is not None
    assert (ended.size, ended.sha256) == (None, "")


@pytest.mark.parametrize("name", ["", "A", "../x", "a/b", "a?b", "-a", "a" * 254, "a\n"])
def test_what_cannot_be_a_node_never_becomes_a_path(name: str) -> None:
    assert not objects.is_name(name)


def test_an_edited_or_new_object_is_not_the_same() -> None:
    item = objects.parse(found())
    assert item.same(objects.parse(found(resourceVersion="8")))
    assert not item.same(objects.parse(found(generation=3)))
    assert not item.same(objects.parse(found(uid="u2")))
