"""The cluster's store: one real etcd on the control plane's loopback."""

from __future__ import annotations

from world.processes import Process, spawn
from world.site import Site, wait_listening

HOST = "127.0.0.1"
PORT = 2379
PEER_PORT = 2380
CLIENT_URL = f"http://{HOST}:{PORT}"


def start(site: Site) -> Process:
    data = site.path("etcd")
    data.mkdir(exist_ok=True)
    process = spawn(
        [
            "etcd",
            f"--data-dir={data}",
            f"--listen-client-urls={CLIENT_URL}",
            f"--advertise-client-urls={CLIENT_URL}",
            f"--listen-peer-urls=http://{HOST}:{PEER_PORT}",
            "--unsafe-no-fsync",  # the store need not outlive the world
        ],
        log=site.log("etcd"),
        netns=site.netns,
        tools_root=True,
        binds=[data],
    )
    wait_listening(process, site.netns, HOST, PORT)
    return process
