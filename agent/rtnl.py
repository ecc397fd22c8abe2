"""Links as the kernel has them, and the changes to them that netlink can make."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Link:
    """A network link; `kind` is None for hardware, `permanent_mac` is None where there is no hardware address.

    `largest_mtu` is None where the driver sets no limit.
    """

    index: int
    name: str
    mac: str
    permanent_mac: str | None
    kind: str | None
    up: bool
    mtu: int
    largest_mtu: int | None
    altnames: frozenset[str]


@dataclass(frozen=True, slots=True)
class SetUp:
    """Bring a link up."""

    index: int


@dataclass(frozen=True, slots=True)
class SetMtu:
    """Give a link its MTU."""

    index: int
    mtu: int


@dataclass(frozen=True, slots=True)
class AddAltname:
    """Give a link one more name."""

    index: int
    altname: str


Change = SetUp | SetMtu | AddAltname


@dataclass(frozen=True, slots=True)
class Failure:
    """A change that the kernel refused, and why."""

    change: Change
    reason: str

    def __str__(self) -> str:
        return f"cannot {describe(self.change)}: {self.reason}"


def describe(change: Change) -> str:
    """Say what the change is, for people."""
    match change:
        case SetUp(index):
            return f"bring link {index} up"
        case SetMtu(index, mtu):
            return f"set the MTU of link {index} to {mtu}"
        case AddAltname(index, altname):
            return f"name link {index} {altname}"
