"""The builders of what the virtual machines need: mirrors, cache, the tools root and the units' check."""

import os
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

import tools
from tools import apt, cache, node_image, units
from tools.commands import BuildError

ONE_LINE = """\
# deb http://commented.example/debian bookworm main
deb [arch=amd64 signed-by=/k.gpg] http://one.example/debian bookworm main contrib # here
deb-src http://one.example/debian bookworm main
deb http://one.example/debian-security bookworm-security main
deb https://other.example/apt cloud-bookworm main
deb https://third.example/linux/debian bookworm stable
"""
DEB822 = """\
Types: deb
# http://commented.example/debian
URIs: http://two.example/debian
  http://three.example/debian
Suites: trixie trixie-updates
Components: main

Types: deb
URIs: https://node.example
Suites: nodistro
Components: main

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main
"""


def test_only_debian_mirrors_are_taken_from_both_formats(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text(ONE_LINE)
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d" / "debian.sources").write_text(DEB822)
    assert [(source.uri, source.suite) for source in apt.sources(tmp_path)] == [
        ("http://one.example/debian", "trixie"),
        ("http://one.example/debian-security", "trixie-security"),
        ("http://two.example/debian", "trixie"),
        ("http://two.example/debian", "trixie-updates"),
        ("http://three.example/debian", "trixie"),
        ("http://three.example/debian", "trixie-updates"),
    ]


def test_no_mirror_says_what_to_add(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="add one"):
        apt.sources(tmp_path)


def test_a_key_follows_names_modes_and_contents(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    keys = [cache.key("text", tmp_path)]
    (tmp_path / "a").write_text("2")
    keys.append(cache.key("text", tmp_path))
    (tmp_path / "a").chmod(0o755)
    keys.append(cache.key("text", tmp_path))
    (tmp_path / "a").rename(tmp_path / "b")
    keys.append(cache.key("text", tmp_path))
    keys.append(cache.key("other text", tmp_path))
    assert len(set(keys)) == 5
    assert keys[-1] == cache.key("other text", tmp_path)


@pytest.fixture
def own_cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def test_two_builders_of_one_entry_build_it_once(own_cache: Path) -> None:
    builds: list[Path] = []
    together = threading.Barrier(2)

    def build(folder: Path) -> None:
        builds.append(folder)
        (folder / "made").touch()

    def ask() -> None:
        together.wait(timeout=10)
        cache.entry("thing", "0" * 16, build, own_cache)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10)
    assert len(builds) == 1
    assert (own_cache / f"thing-{'0' * 16}" / "made").exists()


def test_a_failed_build_leaves_nothing_behind(own_cache: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise BuildError("no")

    with pytest.raises(BuildError):
        cache.entry("thing", "1" * 16, fail, own_cache)
    assert [path for path in own_cache.iterdir() if path.is_dir()] == []


def test_what_a_machine_may_still_boot_from_is_kept(own_cache: Path) -> None:
    for digit in "abc":
        cache.entry("thing", digit * 16, lambda folder: (folder / "made").touch(), own_cache)
    assert len([path for path in own_cache.iterdir() if path.is_dir()]) == 3


def test_the_newest_two_of_a_kind_are_kept(own_cache: Path) -> None:
    def build(folder: Path) -> None:
        (folder / "made").touch()

    names = [digit * 16 for digit in "abc"]
    for age, name in enumerate(names):
        path = cache.entry("thing", name, build, own_cache)
        os.utime(path, (1000 + age, 1000 + age))
    cache.entry("thing-else", names[0], build, own_cache)
    kept = sorted(path.name for path in own_cache.iterdir() if path.is_dir())
    assert kept == [f"thing-{names[1]}", f"thing-{names[2]}", f"thing-else-{names[0]}"]


def test_what_a_command_writes_to_the_tools_root_is_gone_after_it() -> None:
    script = ["sh", "-c", "touch /etc/written && ls /etc/written"]
    inside = subprocess.run(tools.enter_command(script), capture_output=True, text=True, check=True)
    assert inside.stdout == "/etc/written\n"
    assert not (tools.root() / "etc/written").exists()


def test_a_command_cannot_change_the_names_that_this_machine_knows() -> None:
    before = Path("/etc/hosts").read_text()
    done = subprocess.run(
        tools.enter_command(["sh", "-c", "cat /etc/hosts && echo 192.0.2.1 other >/etc/hosts"]),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == before
    assert Path("/etc/hosts").read_text() == before


def test_the_command_is_the_child_itself_and_sees_what_is_bound(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("seen\n")
    argv = tools.enter_command(["sh", "-c", f"echo $$; cat {tmp_path}/file; echo back >{tmp_path}/answer"], [tmp_path])
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as child:
        output, _ = child.communicate(timeout=30)
    assert output.splitlines() == [str(child.pid), "seen"]
    assert (tmp_path / "answer").read_text() == "back\n"


def test_the_units_are_good() -> None:
    assert units.check().wrong == []


def test_a_misspelt_key_and_a_missing_sandbox_are_found(tmp_path: Path) -> None:
    copy = tmp_path / "units"
    shutil.copytree(node_image.UNITS, copy)
    sandbox = copy / "systemd/system/node-agent-.service.d/10-sandbox.conf"
    sandbox.write_text(sandbox.read_text().replace("ProtectHome=", "ProtectHoome="))
    assert any("ProtectHoome" in line for line in units.check(copy).wrong)
    sandbox.unlink()
    assert any("node-agent-network.service: exposure" in line for line in units.check(copy).wrong)
