"""Packet captures against the real API server and S3: real tcpdump on the loopback of a namespace."""

from __future__ import annotations

import gzip
import json
import signal
import socket
from typing import Any

import pytest

from diagnostics_ground import NETNS, NODE, Ground
from world import namespaces
from world.processes import run
from world.waiting import until

pytestmark = pytest.mark.netns
PORT = 9999
SUCCEEDED = "packet capture completed successfully."


@pytest.fixture
def node(daemon: Ground) -> Ground:
    return daemon


def packets(node: Ground, prefix: str, **change: Any) -> dict[str, Any]:
    upload = node.cluster.s3.presign_post(prefix)
    return {
        "packetCapture": {"interface": "lo", "filter": f"udp port {PORT}", "duration": "3s", "upload": upload, **change}
    }


def send(*texts: bytes) -> None:
    with namespaces.entered(NETNS), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for text in texts:
            sender.sendto(text, ("127.0.0.1", PORT))


def listens(node: Ground) -> str:
    """Wait until tcpdump listens, and return the capture's ID."""
    folder = node.root / "var/lib/node-agent/packets"
    return until(lambda: list(folder.glob("*/capture.pcap")), 30, "tcpdump listens")[0].parent.name


def running_programs() -> list[str]:
    pids = run(["ip", "netns", "pids", NETNS]).split()
    return run(["ps", "-o", "comm=", "-p", ",".join(pids)]).split()


def payloads(node: Ground, key: str) -> bytes:
    return gzip.decompress(node.cluster.s3.object(key) or b"")


def test_packets_arrive_under_the_peers_key_beside_a_log_capture(node: Ground) -> None:
    logs = {"destination": node.cluster.s3.presign_put("beside.tar.gz"), "categories": ["Base"]}
    generation = node.apply({"logCapture": logs, **packets(node, "packets/one-")})
    capture_id = listens(node)
    send(b"first", b"last")
    completed = node.ended(generation, kind="Packet")
    assert completed["reason"] == "Success", completed
    assert completed["message"].startswith(f"{SUCCEEDED}; chunks=1; bytes=")
    assert completed["message"].endswith("; packets=2; dropped=0")
    assert completed["captureID"] == capture_id
    key = f"packets/one-{capture_id}/capture.pcap00000.gz"
    assert node.cluster.s3.keys("packets") == [key]
    assert all(word in payloads(node, key) for word in (b"first", b"last"))
    assert node.ended(generation)["reason"] in {"Success", "SuccessWithErrors"}
    node.kubectl("wait", "--for=condition=Ready", f"nodediagnostic/{NODE}", "--timeout=5s")
    until(lambda: node.packet_spool == [], 10, "the spool is empty")


def test_chunks_are_uploaded_while_the_capture_goes_on(node: Ground) -> None:
    node.apply(packets(node, "many/", duration="60s", chunkSizeMB=1))
    listens(node)
    for _ in range(30):
        send(*[b"x" * 1400] * 100)
    until(lambda: len(node.cluster.s3.keys("many")) >= 3, 30, "three chunks are uploaded")
    assert "running" in node.entry("Packet")
    node.kubectl("delete", "nodediagnostic", NODE)
    until(lambda: node.packet_spool == [], 20, "the capture is dropped")
    until(lambda: "tcpdump" not in running_programs(), 10, "tcpdump has ended")


def test_a_killed_daemon_goes_on_with_the_capture(node: Ground) -> None:
    generation = node.apply(packets(node, "killed/", duration="8s"))
    capture_id = listens(node)
    node.stop(signal.SIGKILL)
    send(b"meanwhile")
    node.start()
    completed = node.ended(generation, kind="Packet")
    assert (completed["reason"], completed["captureID"]) == ("Success", capture_id)
    assert "packets=1" in completed["message"]
    assert b"meanwhile" in payloads(node, f"killed/{capture_id}/capture.pcap00000.gz")


def test_a_stopped_daemon_sends_the_last_packets_and_says_failure(node: Ground) -> None:
    generation = node.apply(packets(node, "stopped/", duration="60s"))
    capture_id = listens(node)
    send(b"last words")
    process = node.running.pop()
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    completed = node.ended(generation, kind="Packet", seconds=1)
    assert completed["reason"] == "Failure"
    assert completed["message"].startswith(
        "packet capture failed.; error=the agent or its unit was stopped; chunks=1; "
    )
    assert b"last words" in payloads(node, f"stopped/{capture_id}/capture.pcap00000.gz")
    assert node.packet_spool == []


def test_an_edit_cancels_the_capture(node: Ground) -> None:
    node.apply(packets(node, "first/", duration="60s"))
    until(lambda: node.entry("Packet").get("running"), 20, "the capture runs")
    before = listens(node)
    generation = node.apply(packets(node, "second/", duration="1s"))
    completed = node.ended(generation, kind="Packet")
    assert completed["message"].startswith(f"{SUCCEEDED} Previous capture {before} was cancelled.; chunks=1; ")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"filter": "udp prot 1"}, "packet capture failed.; error=can't parse filter expression: syntax error"),
        ({"filter": "-w /tmp/x"}, "packet capture failed.; error=the filter begins with -"),
        ({"interface": "none0"}, "packet capture failed.; error=none0: No such device exists"),
        ({"duration": "61m"}, 'invalid or excessive duration "61m" (max 1h0m0s). Delete this resource with: '),
    ],
)
def test_what_cannot_be_captured_is_said(node: Ground, change: dict[str, str], words: str) -> None:
    completed = node.ended(node.apply(packets(node, "none/", **change)), kind="Packet")
    assert completed["reason"] == "Failure"
    assert completed["message"].startswith(words)
    assert node.cluster.s3.keys("none") == []


def test_a_form_that_does_not_hold_is_said_in_s3s_words_and_shows_no_secret(node: Ground) -> None:
    spec = packets(node, "allowed/", duration="60s")
    fields = {**spec["packetCapture"]["upload"]["fields"], "key": "elsewhere/${filename}"}
    spec["packetCapture"]["upload"]["fields"] = fields
    spec["packetCapture"]["duration"] = "1s"
    generation = node.apply(spec)
    completed = node.ended(generation, kind="Packet")
    assert completed["reason"] == "Failure"
    assert completed["message"].startswith(
        "packet capture completed but 1 file uploads failed.; upload=status=403, code="
    )
    texts = {
        "status": json.dumps(completed),
        "journal": node.journal.read_text(),
        "status file": (node.root / "run/node-agent/diagnostics.json").read_text(),
        "processes": run(["ps", "-eo", "args", "-ww"]),
    }
    for name in ("policy", "x-amz-signature", "x-amz-credential"):
        for place, text in texts.items():
            assert fields[name] not in text, (name, place)
