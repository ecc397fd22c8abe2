"""What is read out of manifest.json and doctor.json, whatever stands in them."""

import json
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plugin import archives

from kubectl_node_diagnostic import bundle, report, summary
from kubectl_node_diagnostic.summary import Summary, printable

MANIFEST = {
    "schemaVersion": 1,
    "agentVersion": "0.1.0",
    "node": "i-0123456789abcdef0",
    "categories": ["Base", "System"],
    "startedAt": "2026-11-22T10:00:00Z",
    "finishedAt": "2026-11-22T10:00:09Z",
    "outputs": [
        {"path": "kernel/uname.txt", "status": "ok", "bytesWritten": 120, "redactions": 0},
        {"path": "storage/mounts.txt", "status": "timeout", "error": "df did not end within 60 s", "redactions": 2},
        {"path": "var_log/messages", "status": "truncated", "bytesWritten": 1 << 30},
        {"path": "kernel/dmesg.boot", "status": "absent"},
    ],
}
DOCTOR = {
    "healthy": False,
    "headline": {"id": "metadata", "message": "IMDS refuses", "action": "allow IMDSv2"},
    "checks": [
        {"id": "metadata", "status": "fail", "evidence": "403", "cause": "", "action": ""},
        {"id": "disk", "status": "warn", "evidence": "91 % full", "cause": "logs", "action": "add space"},
        {"id": "clock", "status": "ok"},
    ],
}
VALUES = st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8) | st.just([[]]) | st.just({})
KEYS = ["outputs", "headline", "checks", "path", "status", "error", "node", "categories", "schemaVersion", "seconds"]


def read(manifest: object, doctor: object = None) -> Summary:
    pair = [None if found is None else json.dumps(found).encode() for found in (manifest, doctor)]
    return summary.read(bundle.entries(archives.bundle(pair[0] or b"{}", pair[1])))


def test_a_bundle_in_short() -> None:
    found = read(MANIFEST, DOCTOR)
    assert [row.path for row in found.failed] == ["storage/mounts.txt"]
    assert [row.path for row in found.cut] == ["var_log/messages"]
    assert (found.entries, found.redactions, found.notes) == (2, 2, ())
    assert found.doctor is not None
    assert found.doctor.headline is not None
    assert found.doctor.headline.action == "allow IMDSv2"
    assert [cause.id for cause in found.doctor.others] == ["disk"]
    assert found.doctor.others[0].message == "91 % full; logs"


def test_a_bundle_of_the_peers_agent_shows_its_errors() -> None:
    found = summary.read(
        bundle.entries(archives.pack(archives.regular("log-capture-errors.log", b"--- Errors ---\nexit 1\n")))
    )
    assert found.peer_errors == ("--- Errors ---", "exit 1")
    assert found.notes == ("the bundle has no manifest.json", "the bundle has no doctor.json")


@pytest.mark.parametrize("content", [b"[]", b"{", b"\xff", b"[" * 100_000, b"1e999"])
def test_a_manifest_that_is_none_is_said(content: bytes) -> None:
    found = summary.read(bundle.entries(archives.bundle(content)))
    assert "manifest.json is no JSON object" in found.notes


def test_what_is_strange_is_said_and_not_touched() -> None:
    evil = [archives.special(f"link\033[2J{number}", tarfile.SYMTYPE, "/etc") for number in range(25)]
    twice = [archives.regular("manifest.json", json.dumps(found).encode()) for found in (MANIFEST, {"node": "x"})]
    found = summary.read(bundle.entries(archives.pack(*evil, *twice)))
    assert found.node == MANIFEST["node"]
    assert "manifest.json is there twice; the first one counts" in found.notes
    assert "not touched: 5 entries more" in found.notes
    assert not any("\033" in note for note in found.notes)


def test_a_newer_form_is_said() -> None:
    assert any("newer form" in note for note in read({**MANIFEST, "schemaVersion": 2}).notes)


@settings(deadline=None)  # the first example compiles patterns
@given(st.dictionaries(st.sampled_from(KEYS), VALUES | st.lists(st.dictionaries(st.sampled_from(KEYS), VALUES))))
def test_any_json_can_be_summarised_for_a_terminal(found: object) -> None:
    text = report.whole(read(found, found))
    assert all(char.isprintable() or char == "\n" for char in text)
    json.loads(report.summary_as_json(read(found, found)))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb", "a\\nb"),
        ("\033]0;title\a", "\\x1b]0;title\\x07"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\udcff", "\\xff"),
        ("x" * 500, "x" * 399 + "…"),
    ],
)
def test_a_strangers_text_cannot_command_a_terminal(text: str, shown: str) -> None:
    assert printable(text) == shown
