"""What EC2 knows of the instances it runs: what the cluster's cloud side checks nodes against."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Instance:
    """One running instance."""

    instance_id: str
    instance_type: str
    zone: str
    private_dns_name: str
    addresses: tuple[str, ...]

    @property
    def provider_id(self) -> str:
        return f"aws:///{self.zone}/{self.instance_id}"


class Inventory:
    """The running instances by ID; filled by the world, read by the cluster's controllers."""

    def __init__(self) -> None:
        self._instances: dict[str, Instance] = {}

    def add(self, instance: Instance) -> None:
        self._instances[instance.instance_id] = instance

    def remove(self, instance_id: str) -> None:
        self._instances.pop(instance_id, None)

    def find(self, instance_id: str) -> Instance | None:
        return self._instances.get(instance_id)
