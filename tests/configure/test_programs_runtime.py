"""What the real containerd and the real kubelet say of the rendered trees: both exit at once on what they cannot take.

They run in a root of their own with the containerd of the node image's release, without a network and without the
kernel settings of a node, for which kubelet gives up in the end: what counts is how far it comes.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from configure.trees import SOURCES, rendered

from agent.host import files
from tools import binary, enter_command, trees
from world import waiting

CONFIG_DUMP = """
cd "$1"
for tree in *; do
  rm -rf /etc/containerd && cp -r "$tree/etc/containerd" /etc/ && echo "== $tree"
  containerd config dump 2>&1
done
"""
# The group hierarchy of the host may be that of version 1, which kubelet does not take any more.
KUBELET = """
umount -R /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup && ip link set lo up
cp -r "$1/etc/." /etc/ && echo 0123456789abcdef0123456789abcdef >/etc/machine-id
plugins=/usr/libexec/kubernetes/kubelet/plugins
mkdir -p "$plugins" && cp /usr/bin/true "$plugins/ecr-credential-provider"
containerd --log-level warn &
until [ -S /run/containerd/containerd.sock ]; do sleep 0.1; done
. /etc/kubernetes/kubelet/flags.env
exec "$2" $KUBELET_FLAGS
"""
STARTED = '"Started kubelet"'


def inside(script: str, *words: Path) -> list[str]:
    """Return the command line that runs a script in the root, and ends what it started when it is ended itself."""
    argv = enter_command(["sh", "-c", script, "sh", *map(str, words)], words, tree=trees.runtime_root())
    return ["unshare", "--net", "--pid", "--fork", "--kill-child", "--", *argv]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trees")
    for name in SOURCES:
        files.write_files(rendered(name), root=folder / name)
    return folder


@pytest.fixture(scope="module")
def dumped(folder: Path) -> dict[str, str]:
    """Return what `containerd config dump` makes of every tree."""
    done = subprocess.run(inside(CONFIG_DUMP, folder), capture_output=True, text=True, check=False, timeout=120)
    parts = done.stdout.split("== ")[1:]
    return {name: text for name, _, text in (part.partition("\n") for part in parts)}


@pytest.mark.parametrize("name", SOURCES)
def test_containerd_takes_its_configuration(name: str, dumped: dict[str, str]) -> None:
    assert "version = 2" in dumped[name]
    assert "SystemdCgroup = true" in dumped[name]
    assert "level=warning" not in dumped[name]


def test_containerd_sees_what_was_set(dumped: dict[str, str]) -> None:
    dump = dumped["every-setting"]
    for line in (
        'config_path = "/etc/containerd/certs.d"',
        'base_runtime_spec = "/etc/containerd/base-runtime-spec.json"',
        "enable_unprivileged_ports = true",
        'level = "debug"',
        "max_concurrent_downloads = 5",
        'snapshotter = "native"',
        'configs."registry-1.docker.io".auth]',
    ):
        assert line in dump


@contextmanager
def running(tree: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    kubelet = binary("kubelet")
    with log.open("wb") as output:
        process = subprocess.Popen(inside(KUBELET, tree, kubelet), stdout=output, stderr=output)
        try:
            yield process
        finally:
            process.kill()  # and with it, by --kill-child, all that runs inside
            process.wait()


@pytest.mark.parametrize("name", ["minimal", "ipv6-proxy", "karpenter", "every-setting"])
def test_kubelet_starts(name: str, folder: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with running(folder / name, log) as process:
        waiting.until(
            lambda: process.poll() is not None or STARTED in log.read_text(), 60, "kubelet starts or gives up"
        )
    lines = log.read_text().splitlines()
    assert any(STARTED in line for line in lines), "\n".join(line for line in lines if "FLAG:" not in line)
    assert not [line for line in lines if "unknown field" in line or "has been deprecated" in line]
