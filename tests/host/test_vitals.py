"""The host's vital signs, of this host and of a namespace."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest

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


@pytest.mark.netns
def test_a_file_system_that_nothing_can_be_written_to_has_no_usage(tmp_path: Path) -> None:
    """A small tmpfs, full and then read-only, stands for the image's squashfs."""
    script = """
        look() { "$2" -c 'import sys; from agent.host import vitals; print(vitals.usage(sys.argv[1]))' "$1"; }
        mount -t tmpfs -o size=4k none "$1"
        head -c 4096 /dev/zero > "$1/file"
        look "$1" "$2"
        mount -o remount,ro "$1"
        look "$1" "$2"
    """
    argv = ["unshare", "--mount", "sh", "-ec", script, "sh", str(tmp_path), sys.executable]
    full, image = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.splitlines()
    assert "free=0" in full
    assert image == "None"


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


def put(root: Path, name: str, text: str, age: float) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    at = time.time() - age
    os.utime(path, (at, at))


def test_panic_records_are_those_of_the_last_boot_oldest_first(tmp_path: Path) -> None:
    up = time.clock_gettime(time.CLOCK_BOOTTIME)
    put(tmp_path, "var/lib/systemd/pstore/dmesg-ramoops-1", "archived before this boot", age=up + 60)
    put(tmp_path, "var/lib/systemd/pstore/7/dmesg.txt", "archived in this boot", age=up / 2)
    put(tmp_path, "sys/fs/pstore/dmesg-ramoops-0", "still held", age=up / 4)
    put(tmp_path, "sys/fs/pstore/console-ramoops-0", "not a panic", age=0)
    assert vitals.panic_records(tmp_path) == ["archived in this boot", "still held"]


def test_a_record_archived_before_the_clock_was_put_forward_is_still_of_the_last_boot(tmp_path: Path) -> None:
    up = time.clock_gettime(time.CLOCK_BOOTTIME)
    put(tmp_path, "run/systemd/private", "", age=up + 3600)
    put(tmp_path, "var/lib/systemd/pstore/7/dmesg.txt", "archived in this boot", age=up + 3590)
    put(tmp_path, "var/lib/systemd/pstore/6/dmesg.txt", "archived before this boot", age=up + 4000)
    assert vitals.panic_records(tmp_path) == ["archived in this boot"]


def test_a_record_that_is_moved_meanwhile_is_found_and_does_no_harm(tmp_path: Path) -> None:
    """As systemd-pstore does it: into the archive first, then away from the store."""
    for turn in range(20):
        names = [f"dmesg-ramoops-{turn}{number}" for number in range(30)]
        for name in names:
            put(tmp_path, f"sys/fs/pstore/{name}", f"record {name}", age=0)
        mover = threading.Thread(target=partial(archive, tmp_path, names))
        mover.start()
        found = vitals.panic_records(tmp_path)
        mover.join()
        assert {f"record {name}" for name in names} <= set(found)


def archive(root: Path, names: list[str]) -> None:
    for name in names:
        put(root, f"var/lib/systemd/pstore/{name}/{name}", f"record {name}", age=0)
        (root / "sys/fs/pstore" / name).unlink()


def test_a_panic_whose_line_is_split_over_two_records_is_read(tmp_path: Path) -> None:
    put(tmp_path, "sys/fs/pstore/dmesg-efi-1", "Panic#1 Part1\nic - not syncing: Fatal\n", age=0)
    put(tmp_path, "sys/fs/pstore/dmesg-efi-2", "Panic#1 Part2\n<0>[ 9.9] Kernel pan", age=0)
    (found,) = vitals.panic_records(tmp_path)
    assert "Kernel panic - not syncing: Fatal" in found
