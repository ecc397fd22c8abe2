"""The diagnostics daemon when S3, the API server or the daemon itself fails: real parts, and a man in the middle."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import signal
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from host.connect_proxy import ConnectProxy, proxying

from diagnostics_ground import API, NETNS, S3, Ground
from middleman import Fault, answers, passes
from world import namespaces
from world.processes import run
from world.s3 import HOST as S3_HOST
from world.waiting import until

pytestmark = pytest.mark.netns

SUCCESS = {"Success", "SuccessWithErrors"}
AWAY_SECONDS = 60.0
PASSWORD = "not-a-secret-of-anybody"
HALF = 1 << 20
METADATA = "Location: https://169.254.169.254/latest/meta-data/"
DENIED = b"<Error><Code>AccessDenied</Code><Message>%s</Message></Error>"
# Entities that grow without end, control characters, and an element that never ends.
HOSTILE = (
    b"<?xml version='1.0'?><!DOCTYPE e [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;&a;&a;'>]>"
    b"<Error><Code>Bad\x1b[2J\r\n</Code><Message>&b;&b; ; reason=Success" + b"<" * 5000
)


@pytest.fixture
def node(daemon: Ground) -> Iterator[Ground]:
    """A daemon whose bundles have some megabytes that cannot be compressed."""
    log = daemon.root / "var/log/messages"
    before = log.read_bytes()
    log.write_bytes(random.Random(1).randbytes(2 << 20).hex().encode())
    yield daemon
    log.write_bytes(before)


@pytest.mark.parametrize(
    ("name", "faults", "attempts"),
    [
        ("slow", [passes(rate=500_000)], 1),
        ("busy", [answers("503 Slow Down"), answers("503 Slow Down", b"", "Retry-After: 1")], 3),
        ("reset", [passes(most=HALF)], 2),
        ("timeout", [answers("400 Bad Request", b"<Error><Code>RequestTimeout</Code></Error>")], 2),
    ],
)
def test_an_upload_survives(node: Ground, name: str, faults: list[Fault], attempts: int) -> None:
    with node.hindered(*faults):
        completed = node.ended(node.ask(node.cluster.s3.presign_put(f"{name}.tar.gz")), seconds=120)
    assert completed["reason"] in SUCCESS, completed
    assert f"attempts={attempts}" in completed["message"]
    with tarfile.open(fileobj=io.BytesIO(node.cluster.s3.object(f"{name}.tar.gz") or b"")) as bundle:
        assert "manifest.json" in bundle.getnames()


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (answers("307 Temporary Redirect", b"", METADATA), "status=307; hint=redirects are not followed"),
        (answers("302 Found", b"", METADATA), "status=302; hint=redirects are not followed"),
        (answers("403 Forbidden", DENIED % (b"x" * (10 << 20))), "status=403; code=AccessDenied"),
        (answers("400 Bad Request", HOSTILE), "status=400; code=Bad [2J"),
    ],
)
def test_an_answer_that_is_final_is_said_and_no_more_than_that(node: Ground, fault: Fault, words: str) -> None:
    with node.hindered(fault) as man:
        completed = node.ended(node.ask(node.cluster.s3.presign_put("final.tar.gz")))
        assert man.connections == 1
    assert completed["reason"] == "Failure"
    assert words in completed["message"], completed
    assert completed["message"].isprintable()
    assert len(completed["message"].encode()) <= 1024
    assert "169.254" not in completed["message"]
    until(lambda: node.spool == [], 10, "the spool is empty")


def test_no_text_shows_a_secret_that_s3_echoes(node: Ground) -> None:
    """The older pre-signed form, in S3's answer, and in everything that the daemon writes or shows."""
    signature, key = "wJalrXUtnFEMI%2FK7MDENG%3D", "AKIAIOSFODNN7EXAMPLE"
    echo = DENIED % b"wJalrXUtnFEMI/K7MDENG= and wJalrXUtnFEMI%2FK7MDENG%3D of AKIAIOSFODNN7EXAMPLE"
    with node.hindered(answers("403 Forbidden", echo)):
        url = f"https://s3.us-west-2.amazonaws.com/diagnostics/k?AWSAccessKeyId={key}&Signature={signature}&Expires=4102444800"
        completed = node.ended(node.ask(url))
    texts = {
        "status": json.dumps(completed),
        "events": node.kubectl("get", "events", "-o", "json"),
        "journal": node.journal.read_text(),
        "status file": (node.root / "run/node-agent/diagnostics.json").read_text(),
        "processes": run(["ps", "-eo", "args", "-ww"]),
        "spool": "".join(path.read_text(errors="replace") for path in _files(node.root / "var/lib")),
    }
    for place, text in texts.items():
        for secret in ("wJalrXUtnFEMI", "Expires=4102444800"):
            assert secret not in text, place
    assert "code=AccessDenied" in completed["message"]


@pytest.fixture
def proxy(node: Ground) -> Iterator[ConnectProxy]:
    """A proxy that the node's settings name; it leads to S3, whatever the host."""
    settings = node.root / "etc/network/proxy.env"
    settings.parent.mkdir(exist_ok=True)
    with namespaces.entered(NETNS), proxying((S3, 443)) as made:
        settings.write_text(f"HTTPS_PROXY=http://user:{PASSWORD}@127.0.0.1:{made.port}\nNO_PROXY=.internal\n")
        yield made
        settings.unlink()


def test_a_bundle_goes_through_the_nodes_proxy(node: Ground, proxy: ConnectProxy) -> None:
    completed = node.ended(node.ask(node.cluster.s3.presign_put("proxied.tar.gz")))
    assert completed["reason"] in SUCCESS, completed
    assert node.puts("proxied.tar.gz") == [200]
    (head,) = proxy.heads
    assert head.startswith(f"CONNECT {S3_HOST}:443 HTTP/1.1\r\n")
    assert PASSWORD not in json.dumps(completed) + node.journal.read_text()


@pytest.mark.parametrize("host", ["169.254.169.254", "127.0.0.1", API, "172.20.0.1", "metadata", "localhost"])
def test_a_proxy_is_not_asked_for_what_no_bundle_may_go_to(node: Ground, proxy: ConnectProxy, host: str) -> None:
    completed = node.ended(node.ask(f"https://{host}/k?X-Amz-Signature=0f1e2d3c4b5a"))
    assert f"error=the destination's address {host} is refused" in completed["message"]
    assert proxy.heads == []


MOMENTS = ["collect", "compress", "upload", "status"]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_daemon_leads_to_one_finished_capture(node: Ground, moment: str) -> None:
    key = f"killed-{moment}.tar.gz"
    with _held(node, moment, key) as generation:
        node.stop(signal.SIGKILL)
        node.start()
    completed = node.ended(generation)
    assert completed["reason"] in SUCCESS, completed
    assert node.puts(key) == [200]
    until(lambda: node.spool == [], 10, "the spool is empty")


@pytest.mark.parametrize("moment", MOMENTS[:3])
def test_a_stopped_daemon_says_so_within_ten_seconds(node: Ground, moment: str) -> None:
    key = f"stopped-{moment}.tar.gz"
    with _held(node, moment, key) as generation:
        process = node.running.pop()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        completed = node.ended(generation, seconds=1)
    assert completed["reason"] == "Failure"
    assert "log collection stopped: context canceled; cause=the agent was stopped" in completed["message"]
    assert node.puts(key) == []
    assert node.spool == []


def test_a_daemon_stopped_while_nobody_hears_it_ends_in_time_and_is_finished_by_the_next(node: Ground) -> None:
    key = "unheard.tar.gz"
    with _held(node, "status", key) as generation:
        process = node.running.pop()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        node.start()
    assert node.ended(generation)["reason"] in SUCCESS
    assert node.puts(key) == [200]


@pytest.mark.parametrize("moment", MOMENTS)
def test_an_api_server_that_is_away_for_a_minute_costs_nothing(node: Ground, moment: str) -> None:
    key = f"away-{moment}.tar.gz"
    with contextlib.ExitStack() as until_back:
        if moment != "status":
            with _held(node, moment, key) as generation:
                until_back.enter_context(_api_refused())
        else:
            generation = until_back.enter_context(_held(node, moment, key))
        threading.Event().wait(AWAY_SECONDS)  # the time that the scenario names
    completed = node.ended(generation, seconds=120)
    assert completed["reason"] in SUCCESS, completed
    assert node.puts(key) == [200]


@contextlib.contextmanager
def _held(node: Ground, moment: str, key: str) -> Iterator[int]:
    """Ask for a bundle, and hold the capture at a moment of its life until the context ends."""
    with contextlib.ExitStack() as stack:
        if moment in {"upload", "status"}:
            node.cluster.s3.stop()
        if moment == "upload":
            stack.callback(node.cluster.s3.start)
        generation = node.ask(node.cluster.s3.presign_put(key))
        # Until then what lies in the spool may be of a capture before this one.
        until(lambda: node.entry().get("running", {}).get("observedGeneration") == generation, 30, "it is taken up")
        if moment in {"collect", "compress"}:
            bundle = until(lambda: list((node.root / "var/lib/node-agent/spool").glob("*/bundle*")), 30, "it collects")[
                0
            ]
            if moment == "compress":
                until(lambda: not bundle.exists() or bundle.stat().st_size > 0, 30, "a part of the bundle is written")
            pid = int((node.root / f"{bundle.parent.name}.pid").read_text())
            stack.enter_context(_suspended(pid))
        else:
            until(lambda: _has(node, "result.json"), 60, "the bundle is made")
        if moment == "status":
            stack.enter_context(_api_refused())
            node.cluster.s3.start()
            until(lambda: _has(node, "ending.json"), 60, "the bundle is uploaded")
        yield generation


@contextlib.contextmanager
def _suspended(group: int) -> Iterator[None]:
    os.killpg(group, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGCONT)


@contextlib.contextmanager
def _api_refused() -> Iterator[None]:
    """Have the API server's port refuse every packet."""
    refuse = f"ip daddr {API} tcp dport 443 reject with tcp reset;"
    rules = f"table ip refusing {{ chain input {{ type filter hook input priority 0; {refuse} }}; }}"
    run(["nft", "-f", "-"], stdin=rules, netns=NETNS)
    try:
        yield
    finally:
        run(["nft", "delete", "table", "ip", "refusing"], netns=NETNS)


def _has(node: Ground, name: str) -> bool:
    return any((node.root / "var/lib/node-agent/spool" / capture / name).exists() for capture in node.spool)


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
