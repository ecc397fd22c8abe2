import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.host import systemd


@pytest.fixture
def environment() -> Iterator[None]:
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("abstract", [False, True])
def test_messages_reach_the_service_manager(tmp_path: Path, *, abstract: bool) -> None:
    name = f"@node-agent-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(name.replace("@", "\0"))
        os.environ["NOTIFY_SOCKET"] = name
        systemd.notify("READY=1", "STATUS=3 ENIs ready")
        assert manager.recv(1000) == b"READY=1\nSTATUS=3 ENIs ready"


@pytest.mark.usefixtures("environment")
def test_the_service_manager_is_told_what_is_new(tmp_path: Path) -> None:
    os.environ["WATCHDOG_USEC"] = "3600000000"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(os.environ.setdefault("NOTIFY_SOCKET", str(tmp_path / "notify")))
        manager = systemd.Manager()
        for message in ("2 ready", "2 ready", "3 ready"):
            manager.tell(message)
        assert manager.left() > 1000.0
        manager.reloading()
        manager.tell("3 ready")
        heard = [listening.recv(1000).decode().split("\n") for _ in range(4)]
    assert heard[:2] == [["READY=1", "WATCHDOG=1", f"STATUS={number} ready"] for number in (2, 3)]
    assert heard[2][0] == "RELOADING=1"
    assert heard[3] == heard[1], "a reload ends with the same words"


@pytest.mark.usefixtures("environment")
def test_words_of_others_make_no_assignment_of_their_own(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(os.environ.setdefault("NOTIFY_SOCKET", str(tmp_path / "notify")))
        systemd.notify("READY=1", "STATUS=kubelet said\nSTOPPING=1")
        assert manager.recv(1000) == b"READY=1\nSTATUS=kubelet said STOPPING=1"


@pytest.mark.usefixtures("environment")
def test_without_a_service_manager_nothing_is_sent() -> None:
    os.environ.pop("NOTIFY_SOCKET", None)
    systemd.notify("READY=1")


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(("value", "seconds"), [("120000000", 60.0), ("", None), ("soon", None)])
def test_watchdog_is_due_at_half_its_time(value: str, seconds: float | None) -> None:
    os.environ["WATCHDOG_USEC"] = value
    assert systemd.watchdog_seconds() == seconds
