"""The region: a VPC, its metadata service, its time, STS, EC2's API, and the instances that live in it."""

from __future__ import annotations

import ipaddress
import threading
from dataclasses import dataclass
from typing import Self

from world import ec2, imds, machines, namespaces, sts
from world.clock import Clock
from world.eni import Eni
from world.listener import listen
from world.machines import Machine
from world.metadata import Metadata
from world.ownership import Home
from world.pki import Identity
from world.processes import run
from world.roles import Roles
from world.vpc import BRIDGE, PUBLIC, Vpc

EC2 = "203.0.113.11"


@dataclass(frozen=True)
class Resident:
    """A machine with its primary interface and what the metadata service tells it."""

    machine: Machine
    primary: Eni
    metadata: Metadata


class Region:
    """All of AWS that nodes see but S3 and EKS; `identity` certifies STS and EC2's API."""

    def __init__(self, home: Home, identity: Identity) -> None:
        self.roles = Roles()
        self.vpc = Vpc(home)
        self._sources: dict[str, Metadata] = {}
        self._guard = threading.Lock()
        folder = home.path / "aws"
        folder.mkdir()
        certificate, key = identity.write(folder, "aws")
        run(["ip", "-n", self.vpc.netns, "address", "add", EC2, "dev", BRIDGE])
        with namespaces.entered(self.vpc.netns):
            metadata_sockets = [listen(address, imds.PORT) for address in imds.ADDRESSES]
            sts_socket, ec2_socket = listen(PUBLIC, sts.PORT), listen(EC2, ec2.PORT)
        self._imds = imds.Service(metadata_sockets, self._metadata_of)
        self.sts = sts.Service(sts_socket, certificate, key, self.roles)
        self.ec2 = ec2.Service(ec2_socket, certificate, key)
        self.clock = Clock(home.path / "clock", self.vpc)
        for service in (self._imds, self.sts, self.ec2, self.clock):
            service.start()
        self.vpc.know({sts.HOST: PUBLIC, ec2.HOST: EC2})

    def close(self) -> None:
        for service in (self._imds, self.sts, self.ec2, self.clock):
            service.stop()
        self.vpc.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def create(self, *, hop_limit: int = 1, prefixes: int = 0, prefixes6: int = 0) -> Resident:
        """Create an instance: its primary interface is known to IMDS and DHCP, but not plugged in."""
        machine = machines.new()
        eni = self.vpc.create(0, prefixes=prefixes, prefixes6=prefixes6)
        tree = machines.tree(machine, eni, self.roles.issue(machine.instance_id))
        metadata = Metadata(tree, hop_limit=hop_limit)
        self.vpc.serve_dhcp(machine.instance_id, eni)
        self._serve(eni, metadata)
        return Resident(machine, eni, metadata)

    def attach(self, resident: Resident, eni: Eni) -> None:
        """Show a secondary interface in the instance's metadata, and answer what is asked through it."""
        resident.metadata.update(machines.interface_tree(eni))
        self._serve(eni, resident.metadata)

    def change(self, resident: Resident, eni: Eni) -> None:
        """Show what an interface has now, and deliver by it; what it has no more vanishes from the metadata."""
        self.vpc.route(eni)
        folder, tree = machines.interface_path(eni), machines.interface_tree(eni)
        resident.metadata.update(tree)
        for path in resident.metadata.tree().keys() - tree.keys():
            if path.startswith(f"{folder}/"):
                resident.metadata.remove(path)

    def detach(self, resident: Resident, eni: Eni) -> None:
        resident.metadata.remove(machines.interface_path(eni))
        with self._guard:
            for address in _addresses(eni):
                del self._sources[address]

    def _serve(self, eni: Eni, metadata: Metadata) -> None:
        with self._guard:
            self._sources.update(dict.fromkeys(_addresses(eni), metadata))

    def _metadata_of(self, source: str) -> Metadata | None:
        address = ipaddress.ip_address(source.partition("%")[0])
        with self._guard:
            return self._sources.get(str(address))


def _addresses(eni: Eni) -> list[str]:
    return [str(address) for address in (*eni.addresses, *eni.addresses6)]
