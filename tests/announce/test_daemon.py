"""Announcing to an API server on the loopback that refuses what a test has it refuse."""

import json
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from doctor.test_daemon import IDENTITY, NODE, ROLE, credentials, write_kubeconfig

from agent.announce import daemon
from agent.doctor import parsing
from agent.doctor.report import Check, Episode, Report
from world import imds, pki
from world.listener import Listener, listen
from world.metadata import Metadata

EVENTS = "/api/v1/namespaces/default/events"
STATUS = f"/api/v1/nodes/{NODE}/status"
WELL = Report((Check("ok", "Ready", id="node"),), trouble=Episode("tcp", "tcp: no answer", "x", "y"))
FULL = Report((Check("fail", "/var has 0 MiB free", "", "use a larger volume", id="disk"),))
AWAY = " (no Event of this could be made yet)"


@dataclass
class Api:
    """The Node's status and the Events by name, what was asked, and with which status a path is refused."""

    node: dict[str, Any] = field(default_factory=lambda: {"metadata": {"uid": "5f0c"}, "status": {}})
    events: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)

    def take(self, path: str, body: dict[str, Any]) -> int:
        if path in self.refused:
            return self.refused[path]
        if path == STATUS:
            self.node["status"] = body["status"]
            return 200
        name = body["metadata"]["name"]
        if name in self.events:
            return 409
        self.events[name] = body
        return 201

    @property
    def message(self) -> str:
        return str(self.node["status"]["conditions"][0]["message"])

    def handler(self) -> type[BaseHTTPRequestHandler]:
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                api.asked.append((self.path, self.headers["Impersonate-User"] or ""))
                content = b"{}"
                self.send_response(
                    api.take(self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                )
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def do_PATCH(self) -> None:
                self.do_POST()

            def log_message(self, *_words: object) -> None:
                """Keep the tests' output clean."""

        return Handler


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def imds_url() -> Iterator[str]:
    told = {
        "dynamic/instance-identity/document": json.dumps(IDENTITY),
        "meta-data/services/domain": "amazonaws.com",
        ROLE: credentials(timedelta(hours=6)),
    }
    with imds.serving(Metadata(told)) as url:
        yield url


@pytest.fixture
def root(tmp_path: Path, api: Api) -> Iterator[Path]:
    root = tmp_path / "root"
    authority = pki.authority("demo")
    (root / "etc/kubernetes/pki").mkdir(parents=True)
    (root / "etc/kubernetes/pki/ca.crt").write_bytes(authority.certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.server("localhost", names=["localhost"]).write(tmp_path, "server"))
    listening = listen("127.0.0.1")
    write_kubeconfig(root, f"https://localhost:{listening.getsockname()[1]}")
    listener = Listener(listening, api.handler(), context)
    listener.start()
    yield root
    listener.stop()


@dataclass
class Looks:
    """Looks of the doctor, one after the other, each with what the Node says by then."""

    api: Api
    root: Path
    imds_url: str

    def find(self, report: Report) -> None:
        seen = parsing.node(self.api.node)
        daemon.announce(replace(report, announced=seen.announced), root=self.root, imds_url=self.imds_url)


@pytest.fixture
def looks(api: Api, root: Path, imds_url: str) -> Looks:
    return Looks(api, root, imds_url)


def test_a_change_is_an_event_of_the_component_and_the_condition_of_the_node(looks: Looks, api: Api) -> None:
    looks.find(FULL)
    assert api.asked == [(EVENTS, "eks-auto:node-doctor"), (STATUS, "")]
    assert api.message == "disk: /var has 0 MiB free -> use a larger volume"
    looks.find(FULL)
    assert len(api.asked) == 2


@pytest.mark.parametrize("status", [403, 429, 503])
def test_an_event_that_is_refused_is_tried_at_each_look_and_the_condition_says_so_once(
    looks: Looks, api: Api, status: int
) -> None:
    api.refused = {EVENTS: status}
    for _ in range(3):
        looks.find(FULL)
    assert [path for path, _ in api.asked] == [EVENTS, STATUS, EVENTS, EVENTS]
    assert api.message == f"disk: /var has 0 MiB free -> use a larger volume{AWAY}"
    api.refused = {}
    for _ in range(2):
        looks.find(FULL)
    assert [event["message"] for event in api.events.values()] == ["disk: /var has 0 MiB free -> use a larger volume"]
    assert not api.message.endswith(AWAY)
    assert [path for path, _ in api.asked[4:]] == [EVENTS, STATUS]


def test_a_node_that_joined_late_tells_why_once_the_rbac_objects_are_there(looks: Looks, api: Api) -> None:
    api.refused = {EVENTS: 403}
    looks.find(WELL)
    looks.find(replace(WELL, trouble=None))
    api.refused = {}
    looks.find(WELL)
    [event] = api.events.values()
    assert (event["type"], event["reason"]) == ("Normal", "Healthy")
    assert "tcp: no answer" in event["message"]


def test_where_the_node_cannot_be_patched_there_is_one_event_of_a_change(looks: Looks, api: Api) -> None:
    api.refused = {STATUS: 403}
    for _ in range(5):
        looks.find(FULL)
    assert len(api.events) == 1
    api.refused = {}
    looks.find(FULL)
    looks.find(FULL)
    assert (len(api.events), api.message) == (1, "disk: /var has 0 MiB free -> use a larger volume")


def test_the_same_change_later_on_is_an_event_of_its_own(looks: Looks, api: Api) -> None:
    lost = Report((Check("fail", "10.0.0.5:443 did not answer", "", "allow it", id="tcp"),))
    for report in (FULL, lost, FULL, lost, FULL):
        looks.find(report)
        # As if a minute had passed: the API has times of whole seconds.
        api.node["status"]["conditions"][0]["lastHeartbeatTime"] = f"2026-11-22T15:{len(api.events):02}:00Z"
    reasons = ["DiskFailed", "TcpFailed", "DiskFailed", "TcpFailed", "DiskFailed"]
    assert [event["reason"] for event in api.events.values()] == reasons
