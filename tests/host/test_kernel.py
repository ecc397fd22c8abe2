import os
import shutil
import threading
from pathlib import Path

import pytest

from agent.errors import FailedError
from agent.host import kernel
from world import namespaces
from world.processes import run


def test_the_machine_is_counted() -> None:
    assert kernel.online_cpus() == os.cpu_count()
    total = int(Path("/proc/meminfo").read_text().split()[1])
    assert abs(kernel.memory_mib() - total // 1024) <= 1


def test_the_file_system_of_a_folder_is_measured(tmp_path: Path) -> None:
    assert kernel.storage_mib(tmp_path) == shutil.disk_usage(tmp_path).total >> 20
    assert kernel.storage_mib(tmp_path / "none") is None


def test_only_sysctls_with_another_value_are_written(tmp_path: Path) -> None:
    (tmp_path / "kernel").mkdir()
    same, other = tmp_path / "kernel/panic", tmp_path / "kernel/hostname"
    same.write_text("10\n")
    same.chmod(0o400)
    other.write_text("localhost\n")
    before = same.stat()
    changed = kernel.apply_sysctls({"kernel.panic": "10", "kernel.hostname": "worker"}, folder=tmp_path)
    assert changed == {"kernel.hostname"}
    assert other.read_text() == "worker\n"
    assert same.stat().st_mtime_ns == before.st_mtime_ns


def test_a_sysctl_that_cannot_be_set_says_which_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FailedError, match=r"cannot set .*/vm/nothing to 1.*ProtectKernelTunables=no"):
        kernel.apply_sysctls({"vm.nothing": "1"}, folder=tmp_path)


def test_a_slash_in_a_name_is_a_dot_in_a_part_of_it(tmp_path: Path) -> None:
    (tmp_path / "net/ipv4/conf/eth0.1").mkdir(parents=True)
    (tmp_path / "net/ipv4/conf/eth0.1/rp_filter").write_text("1\n")
    (tmp_path / "net/ipv4/tcp_rmem").write_text("4096\t131072\t6291456\n")
    assert kernel.apply_sysctl("net.ipv4.conf.eth0/1.rp_filter", "0", folder=tmp_path)
    assert not kernel.apply_sysctl("net.ipv4.tcp_rmem", "4096 131072 6291456", folder=tmp_path)


def test_a_slash_in_a_key_stands_for_a_dot_of_a_name(tmp_path: Path) -> None:
    file = tmp_path / "net/ipv4/conf/eth1.100/rp_filter"
    file.parent.mkdir(parents=True)
    file.write_text("0\n")
    key = "net.ipv4.conf.eth1/100.rp_filter"
    assert kernel.apply_sysctls({key: "2"}, folder=tmp_path) == {key}
    assert kernel.read_sysctls([key, "net.ipv4.conf.gone.rp_filter"], folder=tmp_path) == {key: "2"}


@pytest.mark.netns
def test_a_link_may_go_while_its_sysctls_are_read() -> None:
    """Now and then it goes between the opening and the reading; of so many links one does so nearly always."""
    name = f"natest-{os.getpid()}"
    lines = ["link add name other type veth peer name far", "link del dev other"] * 100
    coming_and_going = threading.Thread(
        target=lambda: run(["ip", "-n", name, "-batch", "-"], stdin="\n".join(lines) + "\n")
    )
    key, found = "net.ipv4.conf.other.rp_filter", set()
    namespaces.make(name)
    try:
        with namespaces.entered(name):
            coming_and_going.start()
            while coming_and_going.is_alive():
                found.add(kernel.read_sysctls([key]).get(key))
            coming_and_going.join()
    finally:
        namespaces.delete(name)
    assert found > {None}, "it was there and not there"
