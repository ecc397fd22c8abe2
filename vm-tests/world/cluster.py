"""An EKS cluster in one network namespace: real programs, and the few things that only EKS does."""

from __future__ import annotations

import json
import secrets
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tools
from world import apiserver, authenticator, controllers, etcd, join, kubeconfig, pki
from world.cloud_controller import NODES, CloudController
from world.facts import CLUSTER_NAME, REGION
from world.inventory import Instance, Inventory
from world.join import Join
from world.kubeapi import Api
from world.processes import Process, ProcessError, run
from world.reconciler import Reconciler
from world.s3 import HOST as S3_HOST
from world.s3 import ObjectStore
from world.serving_approver import REQUESTS, ServingApprover
from world.site import Site, in_url, wait_ready

ADMINISTRATORS = "system:masters"
READY_TIMEOUT = 60.0


class Cluster:
    """The control plane and the object store of a world; `start` returns when a node could join."""

    def __init__(self, folder: Path, *, netns: str, address: str, s3_address: str, public: pki.Authority) -> None:
        """Prepare a cluster in a namespace that has both addresses; `public` signs what AWS signs."""
        endpoint = f"{secrets.token_hex(16).upper()}.gr7.{REGION}.eks.amazonaws.com"
        folder.mkdir(parents=True, exist_ok=True)
        self.site = Site(folder, netns, address, endpoint)
        self.s3 = ObjectStore(folder, netns=netns, address=s3_address, authority=public)
        self._public = public
        self._authority = pki.authority("kubernetes")
        self._inventory = Inventory()
        self._processes: list[Process] = []
        nodes, requests = CloudController(self._inventory), ServingApprover(self._inventory)
        self._reconcilers = [
            Reconciler(NODES, nodes.reconcile, log=self.site.log("cloud-controller")),
            Reconciler(REQUESTS, requests.reconcile, log=self.site.log("serving-approver")),
        ]

    @property
    def dns_names(self) -> Mapping[str, str]:
        """The names that the VPC's resolver and the control plane's hosts file must know."""
        return {self.site.endpoint: self.site.address, S3_HOST: self.s3.address}

    @property
    def authority(self) -> pki.Authority:
        return self._authority

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig; its server is reached from inside the namespace."""
        return self.site.path("admin.kubeconfig")

    @property
    def kubectl_command(self) -> str:
        """A kubectl that a person can paste into a root shell of this machine."""
        words = ["ip", "netns", "exec", self.site.netns, *map(str, self._kubectl())]
        return shlex.join(words)

    def start(self) -> None:
        self._write_credentials()
        webhook = authenticator.webhook(self.site, self._authority)
        trusted = self.site.path("pki/public.crt")
        self._processes.append(etcd.start(self.site))
        server = apiserver.start(self.site, self._authority, token_webhook=webhook)
        self._processes.append(server)
        self._processes.append(authenticator.start(self.site, self._authority, trusted=trusted))
        self.s3.start()
        wait_ready(server, self._ready, READY_TIMEOUT)
        self._processes.append(controllers.start_manager(self.site, self._authority))
        for reconciler in self._reconcilers:
            reconciler.start(self.site.netns, self._connect)

    def program(self, name: str) -> Process:
        """Return a program of the control plane, to be held or ended by a test."""
        return next(process for process in self._processes if process.name == name)

    def start_scheduler(self) -> None:
        self._processes.append(controllers.start_scheduler(self.site, self._authority))

    def stop(self) -> None:
        """End everything; safe after a start that failed half-way."""
        for reconciler in self._reconcilers:
            reconciler.stop()
        self.s3.stop()
        for process in reversed(self._processes):
            process.kill()  # none of them has anything to save
        self._processes.clear()
        for reconciler in self._reconcilers:
            reconciler.join()

    def register(self, instance: Instance) -> None:
        """Let the cluster know an instance, so that its node is initialized and its certificate approved."""
        self._inventory.add(instance)

    def forget(self, instance_id: str) -> None:
        """Delete the node of an instance that is gone, as the cloud's node lifecycle controller does."""
        self._inventory.remove(instance_id)
        self.kubectl("delete", "node", instance_id, "--ignore-not-found", check=False)

    def kubectl(self, *arguments: str, stdin: str | None = None, check: bool = True, timeout: float = 60.0) -> str:
        """Run kubectl as the administrator and return what it printed."""
        command = [*self._kubectl(), *arguments]
        return run(command, stdin=stdin, netns=self.site.netns, check=check, timeout=timeout)

    def audit_events(self) -> list[dict[str, Any]]:
        """Return every audit event so far, oldest first."""
        whole_lines, _, _ = apiserver.audit_log(self.site).read_text().rpartition("\n")
        return [json.loads(line) for line in whole_lines.splitlines()]

    def user_data(self, *, extra_pki: bool = True) -> str:
        """Return user data in Bottlerocket's TOML with which a node joins; `extra_pki` lets it trust S3."""
        return self.join.toml() + (f"\n{self.trust}" if extra_pki else "")

    @property
    def join(self) -> Join:
        """What a node needs to join, in whatever form."""
        return Join(self.site.server, self._authority.certificate, CLUSTER_NAME, self.site.services)

    @property
    def trust(self) -> str:
        """Settings with which a node trusts what AWS signs, the object store among it."""
        return join.bundle("world-s3", self._public.certificate)

    def _write_credentials(self) -> None:
        self.site.keep("ca", self._authority.identity)
        cloud = self._authority.client("eks:cloud-controller-manager", organizations=[ADMINISTRATORS])
        self.site.keep("cloud", cloud)
        self.site.path("pki/public.crt").write_bytes(self._public.certificate)
        kubeconfig.write(
            self.kubeconfig,
            server=self.site.server,
            authority=self._authority.certificate,
            identity=self._authority.client("administrator", organizations=[ADMINISTRATORS]),
        )

    def _connect(self) -> Api:
        authority, certificate, key = (self.site.path(f"pki/{name}") for name in ("ca.crt", "cloud.crt", "cloud.key"))
        return Api(in_url(self.site.address), authority=authority, certificate=certificate, key=key)

    def _kubectl(self) -> list[str | Path]:
        return [tools.binary("kubectl"), f"--kubeconfig={self.kubeconfig}"]

    def _ready(self) -> bool:
        try:
            return self.kubectl("get", "--raw=/readyz") == "ok"
        except ProcessError:
            return False
