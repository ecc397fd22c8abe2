"""The diagnostics daemon against a real API server and a real S3 server, without a machine."""

from __future__ import annotations

import io
import json
import os
import signal
import tarfile
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from diagnostics_ground import NODE, Ground
from world.processes import ProcessError
from world.waiting import until

pytestmark = pytest.mark.netns
USER = "eks-auto:node-diagnostics"


@pytest.fixture
def node(daemon: Ground) -> Ground:
    return daemon


def test_a_bundle_arrives_under_the_components_name(node: Ground) -> None:
    url = node.cluster.s3.presign_put("arrives.tar.gz")
    completed = node.ended(node.ask(url))
    assert completed["reason"] in {"Success", "SuccessWithErrors"}, completed
    assert completed["message"].startswith("successfully uploaded logs with ")
    assert node.puts("arrives.tar.gz") == [200]
    content = node.cluster.s3.object("arrives.tar.gz") or b""
    assert f"bytes={len(content)}; sha256=" in completed["message"]
    with tarfile.open(fileobj=io.BytesIO(content)) as bundle:
        assert bundle.extractfile("system/region.txt").read() == b"us-west-2\n"
        rows = json.load(bundle.extractfile("manifest.json"))["outputs"]
    assert {row["path"] for row in rows} >= {"kernel/uname.txt", "system/ps.txt", "system/instance-id.txt"}
    assert "running" not in node.entry()
    node.kubectl("wait", "--for=condition=Ready", f"nodediagnostic/{NODE}", "--timeout=5s")
    assert "True" in node.kubectl("get", "ndiag", NODE)
    events = json.loads(node.kubectl("get", "events", "-o", "json"))["items"]
    assert {event["reason"] for event in events} >= {"CaptureStarted", f"Capture{completed['reason']}"}
    until(lambda: node.spool == [], 5, "the spool is empty")
    impersonated = {
        event["impersonatedUser"]["username"]
        for event in node.cluster.audit_events()
        if event.get("impersonatedUser") and event["objectRef"]["resource"] == "nodediagnostics"
    }
    assert impersonated == {USER}


def test_an_expired_url_fails_in_s3s_words_and_shows_no_secret(node: Ground) -> None:
    past = datetime.now(UTC) - timedelta(hours=2)
    url = node.cluster.s3.presign_put("late.tar.gz", expires=60, signed_at=past)
    completed = node.ended(node.ask(url))
    assert completed["reason"] == "Failure"
    assert completed["message"].startswith("fatal error during log upload process; status=403; code=AccessDenied; ")
    said = completed["message"] + node.journal.read_text() + (node.root / "run/node-agent/diagnostics.json").read_text()
    for pair in url.partition("?")[2].split("&"):
        name, _, value = pair.partition("=")
        if name in {"X-Amz-Signature", "X-Amz-Credential"}:
            assert value not in said
    assert "hint=the URL has expired: sign a new URL, and edit or recreate the object" in completed["message"]


def test_a_bundle_stays_on_the_node_for_ten_minutes(node: Ground) -> None:
    completed = node.ended(node.ask("node"))
    path = node.root / f"var/log/support/{NODE}-logs.tar.gz"
    assert completed["message"].startswith(f"successfully saved logs to /var/log/support/{NODE}-logs.tar.gz")
    assert path.stat().st_mode & 0o777 == 0o640
    with tarfile.open(path) as bundle:
        assert "manifest.json" in bundle.getnames()
    node.stop()
    os.utime(path, (0, 0))
    node.start()
    until(lambda: not path.exists(), 20, "an old bundle is removed after a restart")


UPLOAD = {"url": "https://s3.us-west-2.amazonaws.com/b", "fields": {"key": "a/${filename}", "policy": "e30="}}


@pytest.mark.parametrize(
    "spec",
    [
        {"logCapture": {"destination": "node"}},
        {"logCapture": {"destination": "https://b.example/k?X-Amz-Signature=a", "categories": ["Base", "All"]}},
        {"logCapture": {"destination": "node", "categories": []}},
        {"packetCapture": {"duration": "30s", "upload": UPLOAD}},
        {
            "packetCapture": {
                "mode": "tcpdump",
                "duration": "1h",
                "upload": UPLOAD,
                "interface": "eth0",
                "filter": "tcp",
            }
        },
        {
            "logCapture": {"destination": "node"},
            "packetCapture": {"duration": "99h", "chunkSizeMB": 1, "upload": UPLOAD},
        },
        {},
    ],
)
def test_an_object_written_for_the_peers_definition_is_taken_as_it_is(ground: Ground, spec: dict[str, Any]) -> None:
    body = {"apiVersion": "eks.amazonaws.com/v1alpha1", "kind": "NodeDiagnostic", "metadata": {"name": "i-1"}}
    text = json.dumps({**body, "spec": spec})
    made = json.loads(ground.kubectl("create", "--dry-run=server", "-o", "json", "-f", "-", stdin=text))["spec"]
    for kind, asked in spec.items():
        assert made[kind] == {**DEFAULTS[kind], **asked}
    assert set(made) == set(spec)


DEFAULTS = {"logCapture": {"categories": ["All"]}, "packetCapture": {"mode": "tcpdump", "chunkSizeMB": 10}}


@pytest.mark.parametrize(
    "spec",
    [
        {"logCapture": {}},
        {"logCapture": {"destination": "nodes"}},
        {"logCapture": {"destination": "https://" + "a" * 8192}},
        {"logCapture": {"destination": "node", "categories": ["base"]}},
        {"packetCapture": {"duration": "5", "upload": UPLOAD}},
        {"packetCapture": {"duration": "5s", "upload": {"url": "https://b.example/"}}},
        {"packetCapture": {"duration": "5s", "upload": UPLOAD, "chunkSizeMB": 101}},
    ],
)
def test_what_the_peer_would_fail_is_not_taken(ground: Ground, spec: dict[str, Any]) -> None:
    body = {"apiVersion": "eks.amazonaws.com/v1alpha1", "kind": "NodeDiagnostic", "metadata": {"name": "i-1"}}
    with pytest.raises(ProcessError, match="is invalid"):
        ground.kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps({**body, "spec": spec}))


def test_s3_may_come_back(node: Ground) -> None:
    url = node.cluster.s3.presign_put("back.tar.gz")
    node.cluster.s3.stop()
    generation = node.ask(url)
    status = node.root / "run/node-agent/diagnostics.json"
    until(lambda: '"retrying"' in status.read_text(), 30, "an upload is refused")
    node.cluster.s3.start()
    assert node.ended(generation)["reason"] in {"Success", "SuccessWithErrors"}
    assert node.puts("back.tar.gz") == [200]


@pytest.mark.parametrize("moment", ["collecting", "uploading"])
def test_sigkill_leads_to_one_finished_capture(node: Ground, moment: str) -> None:
    key = f"killed-{moment}.tar.gz"
    if moment == "uploading":
        node.cluster.s3.stop()
    generation = node.ask(node.cluster.s3.presign_put(key))
    running = until(lambda: node.entry().get("running"), 20, "the capture runs")
    if moment == "uploading":
        until(lambda: _has(node, "result.json"), 30, "the bundle is made")
    node.stop(signal.SIGKILL)
    if moment == "uploading":
        node.cluster.s3.start()
    node.start()
    completed = node.ended(generation)
    assert completed["reason"] in {"Success", "SuccessWithErrors"}, completed
    assert completed["captureID"] == running["captureID"]
    assert completed["startedAt"] == running["startedAt"]
    assert node.puts(key) == [200]
    until(lambda: node.spool == [], 5, "the spool is empty")


def test_a_restart_after_success_does_nothing_again(node: Ground) -> None:
    generation = node.ask(node.cluster.s3.presign_put("once.tar.gz"))
    before = node.ended(generation)
    node.stop()
    seen = len(_watches(node))
    node.start()
    until(lambda: len(_watches(node)) > seen, 20, "the daemon watches again")
    assert node.ended(generation) == before
    assert node.puts("once.tar.gz") == [200]
    assert node.spool == []


def test_sigterm_in_mid_capture_is_said(node: Ground) -> None:
    node.cluster.s3.stop()
    generation = node.ask(node.cluster.s3.presign_put("stopped.tar.gz"))
    until(lambda: _has(node, "result.json"), 30, "the bundle is made")
    node.stop(signal.SIGTERM)
    node.cluster.s3.start()
    completed = node.ended(generation, seconds=1)
    assert completed["reason"] == "Failure"
    assert "log collection stopped: context canceled; cause=the agent was stopped" in completed["message"]
    assert node.spool == []


@pytest.mark.parametrize("change", ["delete", "recreate", "edit"])
def test_a_capture_that_nobody_waits_for_is_dropped(node: Ground, change: str) -> None:
    node.cluster.s3.stop()
    node.ask(node.cluster.s3.presign_put(f"dropped-{change}.tar.gz"))
    until(lambda: _has(node, "result.json"), 30, "the bundle is made")
    before = node.spool
    if change != "edit":
        node.kubectl("delete", "nodediagnostic", NODE)
    if change == "delete":
        until(lambda: node.spool == [], 10, "the spool is empty")
    wanted = node.cluster.s3.presign_put(f"wanted-{change}.tar.gz")
    generation = None if change == "delete" else node.ask(wanted, categories=["Base"])
    node.cluster.s3.start()
    if generation is not None:
        assert node.ended(generation)["captureID"] not in before
        assert node.puts(f"wanted-{change}.tar.gz") == [200]
    assert node.puts(f"dropped-{change}.tar.gz") == []


def test_other_nodes_objects_are_never_seen(node: Ground) -> None:
    node.ask(node.cluster.s3.presign_put("other.tar.gz"), name="i-0fedcba9876543210")
    assert "not an https URL" in node.ended(node.ask("http://example.com/plain"))["message"]
    assert node.entry(name="i-0fedcba9876543210") == {}
    selectors = {event["requestURI"].partition("fieldSelector=")[2].partition("&")[0] for event in _watches(node)}
    assert selectors == {f"metadata.name%3D{NODE}"}


def _has(node: Ground, name: str) -> bool:
    return any((node.root / "var/lib/node-agent/spool" / capture / name).exists() for capture in node.spool)


def _watches(node: Ground) -> list[dict[str, Any]]:
    return [
        event
        for event in node.cluster.audit_events()
        if event["verb"] == "watch" and event.get("impersonatedUser", {}).get("username") == USER
    ]
