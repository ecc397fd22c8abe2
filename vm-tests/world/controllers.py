"""The real controller manager and, for who wants pods placed, the real scheduler."""

from __future__ import annotations

from pathlib import Path

import tools
from world import kubeconfig
from world.apiserver import SERVICE_ACCOUNT_KEY
from world.facts import CLUSTER_NAME
from world.pki import Authority
from world.processes import Process, spawn
from world.site import Site, wait_listening

LOOPBACK = "127.0.0.1"
MANAGER_PORT = 10257
SCHEDULER_PORT = 10259


def start_manager(site: Site, authority: Authority) -> Process:
    """Start it; it signs what is approved with the cluster's own authority."""
    process = spawn(
        [
            tools.binary("kube-controller-manager"),
            f"--kubeconfig={_identity(site, authority, 'kube-controller-manager')}",
            f"--bind-address={LOOPBACK}",
            "--leader-elect=false",
            f"--cluster-name={CLUSTER_NAME}",
            f"--cluster-signing-cert-file={site.path('pki/ca.crt')}",
            f"--cluster-signing-key-file={site.path('pki/ca.key')}",
            f"--root-ca-file={site.path('pki/ca.crt')}",
            f"--service-account-private-key-file={site.path(SERVICE_ACCOUNT_KEY)}",
            "--use-service-account-credentials=true",
        ],
        log=site.log("kube-controller-manager"),
        netns=site.netns,
    )
    wait_listening(process, site.netns, LOOPBACK, MANAGER_PORT)
    return process


def start_scheduler(site: Site, authority: Authority) -> Process:
    process = spawn(
        [
            tools.binary("kube-scheduler"),
            f"--kubeconfig={_identity(site, authority, 'kube-scheduler')}",
            f"--bind-address={LOOPBACK}",
            "--leader-elect=false",
        ],
        log=site.log("kube-scheduler"),
        netns=site.netns,
    )
    wait_listening(process, site.netns, LOOPBACK, SCHEDULER_PORT)
    return process


def _identity(site: Site, authority: Authority, program: str) -> Path:
    return kubeconfig.write(
        site.path(f"{program}.kubeconfig"),
        server=site.server,
        authority=authority.certificate,
        identity=authority.client(f"system:{program}"),
    )
