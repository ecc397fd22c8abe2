"""A cycle from the doctor to a file or terminal, and back."""

import json
import os
import pty
import select
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from agent.console import daemon
from agent.console.budget import CYCLE_BYTES
from agent.console.decode import newest
from agent.doctor.report import Check, Report, as_json
from agent.errors import FailedError, TemporaryError
from agent.host import status
from agent.model import CONSOLE_SECTIONS

SECTIONS = ("doctor", "statuses", *CONSOLE_SECTIONS)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "proc").mkdir(parents=True)
    (root / "proc/meminfo").write_text("MemTotal:       16000000 kB\n")
    verdict = {
        "path": "settings.kubernetes.cluster-certificate",
        "level": "error",
        "message": "is not a certificate",
        "source": "user data",
    }
    status.write("configure", "failed", "the user data cannot be used", root=root, verdicts=[verdict])
    return root


def examine() -> Report:
    return Report((Check("fail", "10.0.0.5:443 did not answer", "", "allow it", id="tcp"),))


DOCTOR = daemon.Doctor(examine, announce=lambda _report: None)


def begins(path: Path) -> list[list[str]]:
    lines = path.read_text().splitlines()
    return [line.split("|", 5) for line in lines if line.startswith("NODE-AGENT::BEGIN")]


def test_the_first_cycle_of_a_boot_is_there_before_anything_is_asked(root: Path, tmp_path: Path) -> None:
    output = tmp_path / "console"
    daemon.cycle(output, DOCTOR, root=root)
    short, whole = begins(output)
    assert short[1] == "1"
    assert whole[1] == "2"
    assert "settings.kubernetes.cluster-certificate: is not a certificate" in short[5]
    assert "launch a new node" in short[5]
    assert whole[5] == "tcp: 10.0.0.5:443 did not answer -> allow it"


def test_a_later_cycle_is_written_once(root: Path, tmp_path: Path) -> None:
    output = tmp_path / "console"
    status.write("console", "ok", root=root, cycle=41)
    daemon.cycle(output, DOCTOR, root=root)
    assert [marker[1] for marker in begins(output)] == ["42"]
    said = status.read("console", root=root)
    assert said is not None
    assert (said["state"], said["cycle"]) == ("ok", 42)


def test_what_is_said_during_a_cycle_is_news_for_the_next(root: Path, tmp_path: Path) -> None:
    news = root / "run/node-agent/news"

    def restless() -> Report:
        assert not [*news.glob("[!.]*")]
        status.write("network", "degraded", root=root)
        return examine()

    status.write("console", "ok", root=root, cycle=1)
    daemon.cycle(tmp_path / "console", daemon.Doctor(restless, lambda _report: None), root=root, apart=0.01)
    assert [path.name for path in news.glob("[!.]*")] == ["network"]


def test_a_cycle_for_a_person_leaves_the_news(root: Path, tmp_path: Path) -> None:
    daemon.cycle(tmp_path / "console", DOCTOR, root=root)
    assert (root / "run/node-agent/news/configure").exists()


def test_cycles_keep_their_distance(root: Path, tmp_path: Path) -> None:
    status.write("console", "ok", root=root, cycle=1, writtenAt=time.monotonic())
    began = time.monotonic()
    daemon.cycle(tmp_path / "console", DOCTOR, root=root, apart=0.5)
    assert time.monotonic() - began >= 0.5


def test_a_cycle_is_read_back_with_all_its_sections(root: Path, tmp_path: Path) -> None:
    output = tmp_path / "console"
    daemon.cycle(output, DOCTOR, root=root)
    decoded = newest(output.read_bytes())
    assert decoded is not None
    assert not decoded.missing
    titles = [line.split("|") for line in decoded.lines if line.startswith("NMA::LOG|")]
    assert tuple(title[2] for title in titles) == SECTIONS
    assert {len(title) for title in titles} == {3}
    assert "MemTotal:       16000000 kB" in decoded.lines
    assert any(line.startswith("lo ") for line in decoded.lines)


def test_a_node_agent_that_cannot_write_its_status_still_says_everything(root: Path, tmp_path: Path) -> None:
    (root / "run/node-agent/console.json").mkdir()
    output = tmp_path / "console"
    daemon.cycle(output, DOCTOR, root=root)
    assert len(begins(output)) == 2


def test_a_port_that_nobody_reads_costs_a_cycle_and_nothing_else(root: Path) -> None:
    status.write("console", "ok", root=root, cycle=1)
    for number in range(100):
        status.write(f"daemon{number}", "failed", "words " * 100, root=root)
    master, slave = pty.openpty()
    started = time.monotonic()
    with pytest.raises(TemporaryError, match="then nothing"):
        daemon.cycle(Path(os.ttyname(slave)), DOCTOR, root=root)
    assert time.monotonic() - started < 15
    os.close(slave)
    os.close(master)
    said = status.read("console", root=root)
    assert said is not None
    assert (said["state"], said["cycle"]) == ("failed", 2)


def test_a_terminal_gets_no_more_than_the_budget(root: Path) -> None:
    for number in range(200):
        status.write(f"daemon{number}", "failed", "words " * 100, root=root)
    status.write("console", "ok", root=root, cycle=1)
    master, slave = pty.openpty()
    got = bytearray()
    ended = threading.Event()
    reader = threading.Thread(target=drain, args=(master, got, ended))
    reader.start()
    daemon.cycle(Path(os.ttyname(slave)), DOCTOR, root=root)
    ended.set()
    reader.join(20)
    assert not reader.is_alive()
    os.close(slave)
    os.close(master)
    assert 10_000 < len(got) <= CYCLE_BYTES
    decoded = newest(bytes(got))
    assert decoded is not None
    assert not decoded.missing


def test_decode_prints_the_newest_cycle(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "console"
    daemon.cycle(output, DOCTOR, root=root)
    daemon.decode(output)
    printed = capsys.readouterr().out
    assert printed.startswith("cycle 2 of ")
    assert printed.splitlines()[1].startswith("tcp: ")


def test_decode_tells_of_a_newer_cycle_that_is_damaged(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "console"
    daemon.cycle(output, DOCTOR, root=root)
    older, begin, newer = output.read_text().rpartition("NODE-AGENT::BEGIN")
    output.write_text(older + begin + newer.replace("MemTotal", "MemTot\x1b"))
    daemon.decode(output)
    printed = capsys.readouterr().out
    assert printed.startswith("cycle 1 of ")
    assert "(cycle 2 of " in printed
    assert "it says tcp: 10.0.0.5:443 did not answer -> allow it)" in printed


def test_decode_reads_standard_input(root: Path, tmp_path: Path) -> None:
    output = tmp_path / "console"
    daemon.cycle(output, DOCTOR, root=root)
    command = [sys.executable, "-m", "agent", "console", "decode", "-"]
    ended = subprocess.run(command, input=output.read_bytes(), capture_output=True, timeout=30, check=True)
    assert ended.stdout.startswith(b"cycle 2 of ")


def test_decode_reads_what_the_aws_cli_prints_by_default(root: Path, tmp_path: Path) -> None:
    output = tmp_path / "console"
    daemon.cycle(output, DOCTOR, root=root)
    printed = json.dumps({"InstanceId": "i-0123456789abcdef0", "Output": output.read_text()}, indent=4)
    command = [sys.executable, "-m", "agent", "console", "decode", "-"]
    ended = subprocess.run(command, input=printed.encode(), capture_output=True, timeout=30, check=True)
    assert ended.stdout.startswith(b"cycle 2 of ")


def test_decode_says_what_is_missing(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "console"
    daemon.cycle(output, DOCTOR, root=root)
    whole = output.read_bytes()
    output.write_bytes(whole[whole.rindex(b"NODE-AGENT::BEGIN") + 10 :])
    with pytest.raises(FailedError, match="its beginning is lost"):
        daemon.decode(output)
    assert "MemTotal" in capsys.readouterr().out


def test_decode_of_anything_else_says_so(tmp_path: Path) -> None:
    path = tmp_path / "console"
    path.write_text("login: ")
    with pytest.raises(FailedError, match=r"no cycle.*--output text or json"):
        daemon.decode(path)
    with pytest.raises(FailedError, match="cannot read"):
        daemon.decode(tmp_path / "none")


def titles(path: Path) -> list[str]:
    return [line.split("|")[2] for line in path.read_text().splitlines() if line.startswith("NMA::LOG|")]


def choose(root: Path, **chosen: object) -> None:
    path = root / "etc/node-agent/console.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"schemaVersion": 1, **chosen}))


def test_sections_can_be_chosen(root: Path, tmp_path: Path) -> None:
    choose(root, sections=["dmesg", "disk"])
    status.write("console", "ok", root=root, cycle=1)
    daemon.cycle(tmp_path / "console", DOCTOR, root=root)
    assert titles(tmp_path / "console") == ["doctor", "statuses", "disk", "dmesg"]


def test_the_console_can_be_switched_off(root: Path, tmp_path: Path) -> None:
    choose(root, enabled=False)
    daemon.cycle(tmp_path / "console", DOCTOR, root=root)
    assert not (tmp_path / "console").exists()


def test_where_it_is_switched_off_the_cluster_is_told_all_the_same(root: Path, tmp_path: Path) -> None:
    choose(root, enabled=False)
    told: list[Report] = []
    daemon.cycle(tmp_path / "console", daemon.Doctor(examine, told.append), root=root)
    assert told == [examine()]
    daemon.last_words(tmp_path / "console", root=root)
    assert not (tmp_path / "console").exists()
    said = status.read("console", root=root)
    assert said is not None
    assert said["state"] == "off"


def test_where_the_port_is_stuck_the_cluster_is_told_all_the_same(root: Path) -> None:
    for number in range(100):
        status.write(f"daemon{number}", "failed", "words " * 100, root=root)
    status.write("console", "ok", root=root, cycle=1)
    told: list[Report] = []
    master, slave = pty.openpty()
    with pytest.raises(TemporaryError):
        daemon.cycle(Path(os.ttyname(slave)), daemon.Doctor(examine, told.append), root=root)
    assert told == [examine()]
    # The reader reads again: the next cycle is whole.
    ended = threading.Event()
    got = bytearray()
    reader = threading.Thread(target=drain, args=(master, got, ended))
    reader.start()
    daemon.cycle(Path(os.ttyname(slave)), DOCTOR, root=root)
    ended.set()
    reader.join(10)
    os.close(slave)
    os.close(master)
    decoded = newest(bytes(got))
    assert decoded is not None
    assert (decoded.number, decoded.missing) == ("3", "")


def test_where_the_console_cannot_be_opened_the_cluster_is_told_all_the_same(root: Path, tmp_path: Path) -> None:
    port, told = tmp_path / "port", list[Report]()
    os.mkfifo(port)
    for _ in range(2):
        with pytest.raises(FailedError, match="nothing reads it"):
            daemon.cycle(port, daemon.Doctor(examine, told.append), root=root)
    assert told == [examine(), examine()]
    said = status.read("console", root=root)
    assert said is not None
    assert (said["state"], said["cycle"]) == ("failed", 0)
    assert said["message"].startswith(f"cannot open {port}")
    # It is there: the first headline of the boot comes as if nothing had been.
    daemon.cycle(tmp_path / "console", DOCTOR, root=root)
    assert [marker[1] for marker in begins(tmp_path / "console")] == ["1", "2"]


def test_where_the_first_headline_cannot_be_written_the_cluster_is_told_all_the_same(root: Path) -> None:
    told: list[Report] = []
    with pytest.raises(FailedError, match="cannot write /dev/full"):
        daemon.cycle(Path("/dev/full"), daemon.Doctor(examine, told.append), root=root)
    assert told == [examine()]
    said = status.read("console", root=root)
    assert said is not None
    assert (said["state"], said["cycle"]) == ("failed", 1)


def drain(master: int, got: bytearray, ended: threading.Event) -> None:
    """Read what there is until nothing comes any more after the end."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        readable = bool(select.select([master], [], [], 0.2)[0])
        if readable:
            got += os.read(master, 1 << 16)
        elif ended.is_set():
            return


def test_systemd_is_told_the_headline(root: Path, tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
from agent.console import daemon
from agent.doctor.report import Check, Report
report = Report((Check("fail", "10.0.0.5:443 did not answer", "", "allow it", id="tcp"),))
daemon.cycle(Path(sys.argv[2]), daemon.Doctor(lambda: report, lambda _report: None), root=Path(sys.argv[1]))
"""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        environment = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")}
        argv = [sys.executable, "-c", script, root, tmp_path / "console"]
        subprocess.run(argv, env=environment, timeout=60, check=True)
        first, second = manager.recv(4096), manager.recv(4096)
    assert first.startswith(b"STATUS=user-data: settings.kubernetes.cluster-certificate: is not a certificate")
    assert second == b"STATUS=tcp: 10.0.0.5:443 did not answer -> allow it"


def test_the_last_words_are_the_headline_and_nobody_is_asked(root: Path, tmp_path: Path) -> None:
    daemon.cycle(tmp_path / "console", DOCTOR, root=root)
    daemon.last_words(tmp_path / "last", root=root)
    assert titles(tmp_path / "last") == ["doctor", "statuses"]
    assert "settings.kubernetes.cluster-certificate: is not a certificate" in (tmp_path / "last").read_text()[-500:]
    assert begins(tmp_path / "last")[0][1] == "3"


def test_the_last_words_name_the_cause_that_the_last_look_found(tmp_path: Path) -> None:
    """Every daemon is fine, and the node never joined: only the doctor knows why."""
    root = tmp_path / "root"
    for name in ("configure", "network", "storage"):
        status.write(name, "ok", root=root)
    joined = Check("ok", "answers", id="imds")
    looked = replace(examine(), checks=(joined, *examine().checks), examined_at="2026-11-22T15:00:00Z")
    (root / "run/node-agent/doctor.json").write_text(as_json(looked))
    daemon.last_words(tmp_path / "last", root=root)
    decoded = newest((tmp_path / "last").read_bytes())
    assert decoded is not None
    assert decoded.headline == "tcp: 10.0.0.5:443 did not answer -> allow it"
    doctor = decoded.section("doctor").splitlines()
    assert doctor[0] == "Looked at 2026-11-22T15:00:00Z."
    assert [line[:5] for line in doctor[-2:]] == ["FAIL ", "ok   "]


def test_a_panic_of_the_last_boot_is_in_the_first_cycle(root: Path, tmp_path: Path) -> None:
    record = root / "var/lib/systemd/pstore/7/dmesg-ramoops-0"
    record.parent.mkdir(parents=True)
    record.write_text("<0>[ 9.9] Kernel panic - not syncing: sysrq triggered crash\n")
    daemon.last_words(tmp_path / "console", root=root)
    assert "the last boot ended in Kernel panic" in (tmp_path / "console").read_text()
