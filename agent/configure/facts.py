"""What configure learns about the machine beside its settings."""

from dataclasses import dataclass

from agent.model import Instance


@dataclass(frozen=True, slots=True)
class Facts:
    """The instance, the machine under it and the image. `public_bundle` is None where the image has none.

    `providers` are the image credential providers that the image brings, `storage_mib` is the size of /var.
    """

    instance: Instance
    cpus: int
    memory_mib: int
    local_hostname: str | None = None
    vpc_networks: tuple[str, ...] = ()
    public_bundle: str | None = None
    providers: frozenset[str] = frozenset()
    storage_mib: int | None = None
