"""The host's vital signs, of this host and of a namespace."""

import contextlib
import os
import socket
from pathlib import Path

from agent.host import vitals


def test_ip_lists_what_it_is_asked_for() -> None:
    assert any(isinstance(link, dict) and link.get("ifname") == "lo" for link in vitals.ip("address"))


def test_ip_that_fails_lists_nothing() -> None:
    assert vitals.ip("nonsense") == []


def test_usage_is_that_of_the_file_system(tmp_path: Path) -> None:
    seen = vitals.usage(tmp_path)
    assert seen is not None
    assert 0 <= seen.free <= seen.size
    assert vitals.usage(tmp_path / "absent") is None


def test_capacity_has_room_for_this_process() -> None:
    seen = vitals.capacity()
    assert 0 < seen.available_memory <= seen.memory
    assert 0 < seen.used_pids < seen.pids


def test_a_socket_takes_connections_while_somebody_listens(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as listening:
        listening.bind(str(path))
        assert not vitals.takes_connections(path)
        listening.listen()
        assert vitals.takes_connections(path)
    assert not vitals.takes_connections(path)


def test_panic_records_are_those_of_both_folders_oldest_first(tmp_path: Path) -> None:
    records = {"var/lib/systemd/pstore/1/dmesg-efi-1": "first", "sys/fs/pstore/dmesg-ramoops-0": "second"}
    for seconds, (name, text) in enumerate(records.items()):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text)
        os.utime(tmp_path / name, (seconds, seconds))
    (tmp_path / "sys/fs/pstore/console-ramoops-0").write_text("not a panic")
    assert vitals.panic_records(tmp_path) == ["first", "second"]
