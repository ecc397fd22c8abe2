"""Log captures of a good node, undisturbed and under faults."""

import gzip
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

import guest
from diagnostic import COMPONENT, apply, audit_users, delete, open_bundle, request_logs, status_of, wait_completed
from world import World
from world.node import Node
from world.processes import run
from world.waiting import until

pytestmark = pytest.mark.vm
UNIT = "node-agent-diagnostics.service"


@pytest.fixture(autouse=True)
def no_object_is_left(world: World, node: Node) -> Iterator[None]:
    yield
    delete(world, node.instance_id)


def puts(world: World, key: str) -> list[int]:
    """Return the status of every PUT of a key that S3 answered."""
    return [request.status for request in world.s3.requests() if request.key == key]


def spool(node: Node) -> list[str]:
    return guest.run(node, "ls -A /var/lib/node-agent/spool").split()


def test_a_bundle_of_base_and_system_arrives(world: World, node: Node) -> None:
    key = "arrives.tar.gz"
    generation = request_logs(world, node.instance_id, world.presign_put(key))
    completed = wait_completed(world, node.instance_id, generation)
    assert completed["reason"] == "Success", completed
    assert completed["message"].startswith("successfully uploaded logs with no errors; ")
    bundle = open_bundle(world.s3.object(key))
    assert {"manifest.json", "system/instance-id.txt", "system/region.txt", "kernel/uname.txt"} <= set(bundle.names)
    assert bundle.failed == []
    assert bundle.manifest["node"] == node.instance_id
    assert puts(world, key) == [200]
    assert spool(node) == []


def test_the_component_acts_under_its_own_name(world: World, node: Node) -> None:
    request_logs(world, node.instance_id, world.presign_put("name.tar.gz"))
    until(lambda: status_of(world, node.instance_id), 120, "a status")
    assert audit_users(world) == {COMPONENT}
    groups = [
        event["impersonatedUser"]["groups"]
        for event in world.audit_events()
        if event.get("impersonatedUser", {}).get("username") == COMPONENT
    ]
    assert all(group == ["system:authenticated"] for group in groups)
    wait_completed(world, node.instance_id, 1)


def test_a_bundle_that_stays_on_the_node_is_fetched_through_the_kubelet(world: World, node: Node) -> None:
    completed = wait_completed(world, node.instance_id, request_logs(world, node.instance_id, "node"))
    name = f"{node.instance_id}-logs.tar.gz"
    assert completed["reason"] == "Success", completed
    assert completed["message"].startswith(f"successfully saved logs to /var/log/support/{name}; ")
    guest.run(node, f"test $(stat -c %a:%U /var/log/support/{name}) = 640:root")
    path = f"/api/v1/nodes/{node.instance_id}/proxy/logs/support/{name}"
    command = f"{world.kubectl_command} get --raw {path} | sha256sum"
    digest = run(["bash", "-c", command]).split()[0]
    assert f"sha256={digest}" in completed["message"]


def test_packets_of_the_node_arrive_from_their_sandbox(world: World, node: Node) -> None:
    upload = world.s3.presign_post("packets/")
    # The node's own readings of its metadata, which it makes every few seconds, with a token of hours ago.
    spec = {"filter": "host 169.254.169.254 and tcp port 80", "duration": "40s", "upload": upload}
    generation = apply(world, node.instance_id, {"packetCapture": spec})
    until(lambda: "tcpdump" in guest.run(node, "systemctl status 'node-agent-packets@*' || true"), 120, "it captures")
    completed = wait_completed(world, node.instance_id, generation, kind="Packet")
    assert completed["reason"] == "Success", completed
    key = f"packets/{completed['captureID']}/capture.pcap00000.gz"
    assert world.s3.keys("packets") == [key]
    assert b"GET /latest/meta-data/" in gzip.decompress(world.s3.object(key) or b"")
    until(lambda: guest.run(node, "ls -A /var/lib/node-agent/packets").split() == [], 60, "nothing is left of it")


def test_s3_that_is_away_for_ten_seconds_delays_and_does_not_fail_it(world: World, node: Node) -> None:
    key = "late.tar.gz"
    world.s3.stop()
    try:
        generation = request_logs(world, node.instance_id, world.presign_put(key))
        until(lambda: guest.status(node, "diagnostics")["state"] == "retrying", 240, "an upload that was refused")
        threading.Event().wait(10)  # the time that the scenario names
    finally:
        world.s3.start()
    completed = wait_completed(world, node.instance_id, generation)
    assert completed["reason"] == "Success", completed
    assert puts(world, key) == [200]


def test_an_expired_url_is_a_failure_that_names_s3s_code_and_no_secret(world: World, node: Node) -> None:
    past = datetime.now(UTC) - timedelta(hours=2)
    url = world.presign_put("expired.tar.gz", expires=60, signed_at=past)
    completed = wait_completed(world, node.instance_id, request_logs(world, node.instance_id, url))
    assert completed["reason"] == "Failure"
    assert "AccessDenied" in completed["message"]
    query = dict(part.split("=", 1) for part in url.partition("?")[2].split("&"))
    texts = {
        "status": json.dumps(completed) + json.dumps(guest.status(node, "diagnostics")),
        "journal": guest.run(node, "journalctl --boot --no-pager --output cat"),
        "console": node.console().decode(errors="replace"),
        "processes": guest.run(node, "ps -eo args --no-headers -ww"),
    }
    for place, text in texts.items():
        for name in ("X-Amz-Signature", "X-Amz-Credential", "X-Amz-Date"):
            assert query[name] not in text, (place, name)


def test_sigkill_in_mid_capture_leads_to_one_finished_capture(world: World, node: Node) -> None:
    key = "killed.tar.gz"
    generation = request_logs(world, node.instance_id, world.presign_put(key))
    until(lambda: "running" in status_of(world, node.instance_id), 120, "a capture that runs")
    guest.run(node, f"kill -KILL {guest.main_pid(node, UNIT)}")
    completed = wait_completed(world, node.instance_id, generation)
    assert completed["reason"] == "Success", completed
    assert puts(world, key) == [200]
    until(lambda: spool(node) == [], 30, "an empty spool")


def test_a_restart_after_success_uploads_nothing_again(world: World, node: Node) -> None:
    key = "once.tar.gz"
    generation = request_logs(world, node.instance_id, world.presign_put(key))
    before = wait_completed(world, node.instance_id, generation)
    watches = len(component_requests(world))
    guest.run(node, f"systemctl restart {UNIT}")
    until(lambda: len(component_requests(world)) > watches, 120, "the daemon has looked at its object again")
    until(lambda: guest.status(node, "diagnostics").get("state") == "ok", 60, "the daemon is idle")
    assert wait_completed(world, node.instance_id, generation) == before
    assert puts(world, key) == [200]


def component_requests(world: World) -> list[str]:
    return [
        event["verb"]
        for event in world.audit_events()
        if event.get("impersonatedUser", {}).get("username") == COMPONENT
    ]
