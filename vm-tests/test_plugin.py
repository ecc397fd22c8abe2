"""kubectl node-diagnostic against a real API server, a real S3 server and a real agent, without a machine."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import signal
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from diagnostics_ground import API, NODE
from plugin_ground import NETNS, Operator, finished, operating
from world.processes import run
from world.waiting import until

pytestmark = pytest.mark.netns
BUCKET = "s3://diagnostics/bundles"
CROWD = [f"i-{number:017x}" for number in range(1, 301)]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    with operating(tmp_path_factory.mktemp("plugin")) as made:
        made.add_nodes([NODE], role="real")
        made.add_nodes(CROWD, role="crowd")
        yield made


@pytest.fixture
def operator(place: Operator) -> Iterator[Operator]:
    place.answers.clear()
    place.bundles.clear()
    yield place
    place.ground.kubectl("delete", "nodediagnostics", "--all")


@pytest.fixture
def agent(operator: Operator) -> Iterator[Operator]:
    """The operator, and the agent of the real node."""
    operator.ground.start()
    yield operator
    operator.ground.stop()


def bundle(manifest: dict[str, Any] | None = None, doctor: dict[str, Any] | None = None) -> bytes:
    """Make a bundle as an agent would."""
    files = {"manifest.json": manifest or {"schemaVersion": 1, "outputs": []}, "doctor.json": doctor or {}}
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        for name, content in files.items():
            data = json.dumps(content).encode()
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return target.getvalue()


def kept(content: bytes) -> dict[str, str]:
    """What an agent says of a bundle that it keeps."""
    digest = hashlib.sha256(content).hexdigest()
    message = f"successfully saved logs to /var/log/support/; bytes={len(content)}; sha256={digest}"
    return {"reason": "Success", "message": message}


def test_a_bundle_goes_to_s3_and_comes_to_the_folder(agent: Operator, tmp_path: Path) -> None:
    done = agent.run("collect", NODE, "--category", "base,system", "--s3", BUCKET, "--output", tmp_path / "here")
    assert done.returncode == 0, done.stderr
    (path,) = (tmp_path / "here").iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    stored = agent.ground.cluster.s3.object(f"bundles/{path.name}")
    assert path.read_bytes() == stored
    assert done.stdout.splitlines()[0].endswith(f"-> {path}")
    assert f"{NODE}: collecting" in done.stderr
    assert agent.names() == []
    assert "X-Amz-" not in done.stdout + done.stderr
    shown = agent.run("show", path)
    assert f"node        {NODE}" in shown.stdout
    assert "categories  Base, System" in shown.stdout


def test_a_bundle_that_the_node_keeps_comes_through_the_api_server(agent: Operator, tmp_path: Path) -> None:
    done = agent.run("collect", NODE, "--category", "Base", "--node", "--output", tmp_path)
    assert done.returncode == 0, done.stderr + done.stdout
    (path,) = tmp_path.iterdir()
    shelf = agent.ground.root / f"var/log/support/{NODE}-logs.tar.gz"
    assert path.read_bytes() == shelf.read_bytes()
    requests = {
        event["requestURI"] for event in agent.ground.cluster.audit_events() if "/proxy/logs/" in event["requestURI"]
    }
    assert requests == {f"/api/v1/nodes/{NODE}/proxy/logs/support/{NODE}-logs.tar.gz"}


def test_hundreds_of_nodes_a_bounded_number_at_a_time(operator: Operator, tmp_path: Path) -> None:
    content = bundle()
    for name in CROWD:
        operator.answers[name] = kept(content)
        operator.bundles[name] = content
    seen = len(operator.ground.cluster.audit_events())
    done = operator.run("collect", "-l", "role=crowd", "--node", "--output", tmp_path, "--parallel", "12", seconds=300)
    assert done.returncode == 0, done.stderr[-3000:]
    assert sorted(path.name[: len(CROWD[0])] for path in tmp_path.iterdir()) == CROWD
    assert operator.names() == []
    alive = most = 0
    for event in operator.ground.cluster.audit_events()[seen:]:
        if event["objectRef"].get("resource") == "nodediagnostics" and event["stage"] == "ResponseComplete":
            alive += {"create": 1, "delete": -1}.get(event["verb"], 0)
            most = max(most, alive)
    assert 2 <= most <= 12


def test_a_failure_and_a_partial_bundle_are_told_with_their_causes(operator: Operator) -> None:
    good, bad, silent = CROWD[:3]
    row = {"path": "storage/mounts.txt", "status": "timeout", "error": "df did not end within 60 s"}
    headline = {"id": "metadata", "message": "IMDS refuses", "action": "allow IMDSv2"}
    content = bundle(
        {"schemaVersion": 1, "node": good, "outputs": [row]}, {"healthy": False, "headline": headline, "checks": []}
    )
    operator.bundles[good] = content
    operator.answers[good] = {**kept(content), "reason": "SuccessWithErrors"}
    signed = "https://b.s3.us-west-2.amazonaws.com/k?X-Amz-Signature=0123456789abcdef0123"
    operator.answers[bad] = {"reason": "Failure", "message": f"fatal error during log upload process; {signed}"}
    done = operator.run("collect", good, bad, silent, "--node", "--wait", "--timeout", "4s")
    assert done.returncode == 1
    assert f"PART {good}  SuccessWithErrors" in done.stdout
    assert "doctor: metadata: IMDS refuses" in done.stdout
    assert "do: allow IMDSv2" in done.stdout
    assert "storage/mounts.txt  timeout    df did not end within 60 s" in done.stdout
    assert f"FAIL {bad}  Failure" in done.stdout
    assert "0123456789abcdef0123" not in done.stdout + done.stderr
    assert f"{silent} has not taken up the capture within 4 s" in done.stdout
    assert operator.names() == []


def test_a_foreign_object_is_left_alone_and_said(operator: Operator) -> None:
    operator.ground.ask("node", name=CROWD[0])
    done = operator.run("collect", CROWD[0], "--node", "--wait")
    assert done.returncode == 1
    assert f"there is a NodeDiagnostic {CROWD[0]} already, made by kubectl-client-side-apply at" in done.stdout
    assert f"kubectl delete nodediagnostic {CROWD[0]}" in done.stdout
    assert operator.run("clean", "--running").returncode == 0
    assert operator.names() == [f"nodediagnostic.eks.amazonaws.com/{CROWD[0]}"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_deletes_what_it_made(operator: Operator, number: signal.Signals) -> None:
    operator.ground.ask("node", name=CROWD[39])
    process = operator.start("collect", *CROWD[:39], "--node", "--wait", "--parallel", "30")
    until(lambda: len(operator.names()) == 31, 60, "the objects of the nodes at work are there")
    os.killpg(process.pid, number)
    done = finished(process)
    assert done.returncode == 130
    assert done.stdout.count("interrupted") == 39
    assert operator.names() == [f"nodediagnostic.eks.amazonaws.com/{CROWD[39]}"]


def test_a_terminal_shows_the_nodes_at_work_and_may_be_closed(operator: Operator) -> None:
    ours, theirs = os.openpty()
    os.set_blocking(ours, False)
    process = operator.start("collect", CROWD[0], "--node", "--wait", terminal=theirs)
    os.close(theirs)
    shown = bytearray()

    def look() -> bool:
        with contextlib.suppress(BlockingIOError):
            shown.extend(os.read(ours, 1 << 16))
        return f"{CROWD[0]}  requested".encode() in shown and b"0 of 1 done, 1 at work" in shown

    until(look, 60, "the live lines")
    os.close(ours)  # the kernel sends SIGHUP, and further writes fail
    assert finished(process).returncode == 130
    assert operator.names() == []


def test_a_second_interruption_leaves_at_once_and_says_what_is_left(operator: Operator) -> None:
    process = operator.start("collect", CROWD[0], "--node", "--wait")
    until(operator.names, 60, "the object is there")
    with api_refused():
        os.killpg(process.pid, signal.SIGINT)
        assert process.stderr is not None
        until(lambda: "interrupted:" in process.stderr.readline(), 30, "the first is heard")
        os.killpg(process.pid, signal.SIGINT)
        done = finished(process)
    assert done.returncode == 130
    assert f"left behind: {CROWD[0]}; do: kubectl node-diagnostic clean --running {CROWD[0]}" in done.stderr
    assert len(operator.names()) == 1


def test_kubectl_ends_with_a_plug_in_that_is_killed(operator: Operator) -> None:
    process = operator.start("collect", CROWD[0], "--node", "--wait")
    until(operator.names, 60, "the object is there")
    children = [pid for pid in _processes() if _parent(pid) == process.pid]
    assert children
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    until(lambda: not any(_command(pid) for pid in children), 10, "kubectl ends")
    assert operator.run("clean", CROWD[0]).stdout.startswith(f"kept NodeDiagnostic {CROWD[0]}")
    assert operator.run("clean", "--running", CROWD[0]).stdout.startswith(f"deleted NodeDiagnostic {CROWD[0]}")


def test_an_object_that_somebody_made_anew_or_edited_is_not_ours_any_more(operator: Operator) -> None:
    anew, edited = CROWD[:2]
    process = operator.start("collect", anew, edited, "--node", "--wait")
    until(lambda: len(operator.names()) == 2, 60, "both objects are there")
    operator.ground.kubectl("delete", "nodediagnostic", anew)
    operator.ground.ask("node", name=anew)
    patch = json.dumps({"spec": {"logCapture": {"categories": ["System"]}}})
    operator.ground.kubectl("patch", "nodediagnostic", edited, "--type=merge", "-p", patch)
    done = finished(process)
    assert done.returncode == 1
    assert f"NodeDiagnostic {edited} was changed by somebody else" in done.stdout
    assert len(operator.names()) == 2


def test_without_waiting_the_objects_stay_until_they_are_cleaned(operator: Operator) -> None:
    operator.answers[CROWD[0]] = {"reason": "Success", "message": "successfully uploaded logs with no errors"}
    done = operator.run("collect", CROWD[0], CROWD[1], "--s3", BUCKET)
    assert done.returncode == 0, done.stderr
    assert f"-> {BUCKET}/{CROWD[0]}-" in done.stdout
    until(lambda: operator.ground.entry(name=CROWD[0]).get("completed"), 20, "the first has ended")
    rows = operator.run("status").stdout.splitlines()
    assert [row.split()[:2] for row in rows[1:]] == [[CROWD[0], "Success"], [CROWD[1], "not"]]
    operator.run("clean")
    assert operator.names() == [f"nodediagnostic.eks.amazonaws.com/{CROWD[1]}"]


def test_a_bundle_of_another_content_than_the_node_sent_is_refused(operator: Operator, tmp_path: Path) -> None:
    content = bundle()
    operator.answers[CROWD[0]] = kept(content)
    operator.bundles[CROWD[0]] = content[:-1] + b"x"
    done = operator.run("collect", CROWD[0], "--node", "--output", tmp_path)
    assert done.returncode == 1
    assert "is not the one that the node sent" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_work_says_what_to_do(operator: Operator) -> None:
    unknown = operator.run("collect", "i-0fedcba9876543210", "--node")
    assert (unknown.returncode, unknown.stderr) == (
        1,
        "error: there is no node i-0fedcba9876543210\ndo: kubectl get nodes\n",
    )
    context = operator.run("collect", CROWD[0], "--node", "--context", "nowhere")
    assert context.returncode == 1
    assert 'context "nowhere" does not exist' in context.stderr
    bucket = operator.run("collect", CROWD[0], "--s3", "s3://no-such-bucket/x")
    assert bucket.returncode == 1
    assert "there is no bucket no-such-bucket" in bucket.stderr
    rights = operator.run("collect", CROWD[0], "--node", "--as", "nobody")
    assert rights.returncode == 1
    assert "nobody" in rights.stderr
    assert "docs/kubectl-node-diagnostic.md" in rights.stderr


@contextlib.contextmanager
def api_refused() -> Iterator[None]:
    """Have the API server's port refuse every packet."""
    refuse = f"ip daddr {API} tcp dport 443 reject with tcp reset;"
    rules = f"table ip refusing {{ chain input {{ type filter hook input priority 0; {refuse} }}; }}"
    run(["nft", "-f", "-"], stdin=rules, netns=NETNS)
    try:
        yield
    finally:
        run(["nft", "delete", "table", "ip", "refusing"], netns=NETNS)


def _processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _parent(pid: int) -> int | None:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return None


def _command(pid: int) -> bytes:
    """The command line of a process; nothing of one that has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""
