"""What configure renders for a closed network, put to containerd itself: a pull from a private registry by a proxy.

The machine is a network namespace and a root with the containerd of the node image's release. Nothing runs from the
image here; that pods do is seen in test_private.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import played
import tools
from tools import trees
from world import ec2, imds, join, machines, namespaces, ownership, pki, sts
from world.facts import CLUSTER_NAME, SERVICES
from world.outside import PROXY, Outside
from world.processes import run
from world.region import Region, Resident
from world.registry import HOST, USER

pytestmark = pytest.mark.netns
RESOLVER = "10.0.0.2"
REPOSITORY = Path(__file__).parent.parent
# The transfer service pulls in containerd itself (--local=false), with the proxy and the store of its own environment.
PULL = """
cp -r "$1/etc/." /etc/
set -a; . /etc/network/proxy.env; set +a
containerd --log-level warn &
until [ -S /run/containerd/containerd.sock ]; do sleep 0.1; done
env -u HTTPS_PROXY -u https_proxy ctr images pull --local=false --hosts-dir /etc/containerd/certs.d --user "$3" "$2"
"""


@dataclass(frozen=True)
class Ground:
    """An instance that is a namespace, with nothing but a proxy between it and the registry."""

    netns: str
    resident: Resident
    outside: Outside

    def user_data(self, *, proxy: bool, authority: bool) -> str:
        endpoint = "https://0123456789ABCDEF.gr7.us-west-2.eks.amazonaws.com"
        cluster = join.Join(endpoint, pki.authority("kubernetes").certificate, CLUSTER_NAME, SERVICES)
        parts = [
            cluster.toml(),
            f'[settings.network]\nhttps-proxy = "{self.outside.proxy.url}"\n' if proxy else "",
            join.bundle("corp", self.outside.registry.certificate) if authority else "",
        ]
        return "\n".join(parts)

    def pull(self, folder: Path, user_data: str) -> subprocess.CompletedProcess[str]:
        """Configure a root below the folder from this user data, and let containerd pull the image with it."""
        self.resident.metadata.set(machines.USER_DATA, user_data)
        with imds.serving(self.resident.metadata) as url:
            command = [sys.executable, "-m", "agent", "configure", "--root", folder, "--imds", url]
            run(command, environment={"PYTHONPATH": str(REPOSITORY)})
        words = [str(folder), self.outside.image, f"{USER}:{self.outside.registry.password}"]
        inside = tools.enter_command(["sh", "-c", PULL, "sh", *words], [folder], tree=trees.runtime_root())
        argv = ["ip", "netns", "exec", self.netns, "unshare", "--pid", "--fork", "--kill-child", "--", *inside]
        environment = {"PATH": os.environ["PATH"]}
        return subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture(scope="module")
def ground() -> Iterator[Ground]:
    home = ownership.claim()
    identity = pki.authority("public").server("aws", names=[sts.HOST, ec2.HOST])
    try:
        with Region(home, identity) as region:
            resident, host = region.create(), home.namespace("host")
            namespaces.make(host, resolver=RESOLVER)
            played.plug(region, host, resident.primary)
            outside = Outside(home, region.vpc, RESOLVER)
            with outside.only_by_proxy():
                yield Ground(host, resident, outside)
            outside.close()
    finally:
        ownership.release(home)


def test_an_image_is_pulled_through_the_proxy(ground: Ground, tmp_path: Path) -> None:
    done = ground.pull(tmp_path, ground.user_data(proxy=True, authority=True))
    assert done.returncode == 0, done.stdout + done.stderr
    assert ground.outside.proxy.carried()[-1] == HOST
    assert {request.source for request in ground.outside.registry.requests() if request.status == 200} == {PROXY}
    assert ground.outside.dropped() == 0


def test_an_unknown_authority_is_refused(ground: Ground, tmp_path: Path) -> None:
    done = ground.pull(tmp_path, ground.user_data(proxy=True, authority=False))
    assert done.returncode != 0
    assert "certificate signed by unknown authority" in done.stdout + done.stderr
