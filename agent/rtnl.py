"""Links, addresses, routes and rules as the kernel has them, and the changes to them that netlink can make."""

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network

Host = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
HostInterface = IPv4Interface | IPv6Interface

MAIN_TABLE = 254
# linux/rtnetlink.h, RTPROT_*: who made a route or a rule.
UNSPEC, KERNEL, BOOT, STATIC, RA, DHCP = 0, 2, 3, 4, 9, 16
# Our routes carry a number that nobody has registered; tools print it as it is.
OUR_PROTOCOL = 157
# linux/fib_rules.h: what a rule does with a packet.
LOOKUP, UNREACHABLE = 1, 7


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
    carrier: bool = True


@dataclass(frozen=True, slots=True)
class Address:
    """An address of a link.

    `lasting` is false while it has a lifetime, or the kernel does not let it be used; `alone` is false where a route of
    its network, which it brought, is in the main table.
    """

    index: int
    value: HostInterface
    lasting: bool = True
    alone: bool = True


@dataclass(frozen=True, slots=True)
class Route:
    """A route; `index` and `gateway` are None where there is none, `metric` is 0 where there is none.

    `source` is the address that it chooses, `tuned` whether it has an MTU or the like of its own.
    """

    table: int
    dst: Network
    index: int | None = None
    gateway: Host | None = None
    metric: int = 0
    protocol: int = OUR_PROTOCOL
    unreachable: bool = False
    source: Host | None = None
    tuned: bool = False
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Hundreds of routes and rules are looked up several times a pass, and ipaddress hashes in Python.
        object.__setattr__(self, "_hash", hash((self.table, self.dst, self.index, self.metric)))

    def __hash__(self) -> int:
        return self._hash

    @property
    def on_link(self) -> bool:
        """Whether its destination is a neighbour: it has a link and no gateway."""
        return not self.unreachable and self.gateway is None


@dataclass(frozen=True, slots=True)
class Rule:
    """A routing rule; `plain` is false for one that selects by more than is told here (an interface, a port …)."""

    version: int
    priority: int
    table: int
    src: Network | None = None
    dst: Network | None = None
    mark: int = 0
    mask: int = 0
    action: int = LOOKUP
    protocol: int = KERNEL
    plain: bool = True
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash((self.priority, self.table, self.src, self.dst, self.protocol)))

    def __hash__(self) -> int:
        return self._hash


@dataclass(frozen=True, slots=True)
class State:
    """What a pass looks at beside the links: addresses of ENIs, our routes and such as others add to ENIs, all rules.

    `primary` are the main table's routes by way of the primary; `main` is all of it where it was asked for.
    """

    addresses: tuple[Address, ...] = ()
    routes: tuple[Route, ...] = ()
    rules: tuple[Rule, ...] = ()
    primary: tuple[Route, ...] = ()
    main: tuple[Route, ...] = ()


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


@dataclass(frozen=True, slots=True)
class RemoveAltname:
    """Take a name from a link."""

    index: int
    altname: str


@dataclass(frozen=True, slots=True)
class PutAddress:
    """Add an address, or make the one that is there last for ever."""

    address: Address


@dataclass(frozen=True, slots=True)
class RemoveAddress:
    """Take an address from a link."""

    address: Address


@dataclass(frozen=True, slots=True)
class PutRoute:
    """Add a route, in the place of one with the same table, destination and metric."""

    route: Route


@dataclass(frozen=True, slots=True)
class RemoveRoute:
    """Remove exactly this route."""

    route: Route


@dataclass(frozen=True, slots=True)
class AddRule:
    """Add a rule."""

    rule: Rule


@dataclass(frozen=True, slots=True)
class RemoveRule:
    """Remove exactly this rule."""

    rule: Rule


Change = (
    SetUp
    | SetMtu
    | AddAltname
    | RemoveAltname
    | PutAddress
    | RemoveAddress
    | PutRoute
    | RemoveRoute
    | AddRule
    | RemoveRule
)
REMOVALS = (RemoveAltname, RemoveAddress, RemoveRoute, RemoveRule)


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
        case RemoveAltname(index, altname):
            return f"take the name {altname} from link {index}"
        case _:
            return f"{_VERBS[type(change)]} {subject(change)}"


_VERBS = {
    PutAddress: "put",
    RemoveAddress: "remove",
    PutRoute: "put",
    RemoveRoute: "remove",
    AddRule: "add",
    RemoveRule: "remove",
}


def subject(change: Change) -> str:
    """Name the object that a change is about; two changes of one object have one subject."""
    match change:
        case SetUp(index) | SetMtu(index):
            return f"{'state' if isinstance(change, SetUp) else 'MTU'} of link {index}"
        case AddAltname(index, altname) | RemoveAltname(index, altname):
            return f"name {altname} of link {index}"
        case PutAddress(address) | RemoveAddress(address):
            return f"address {address.value} of link {address.index}"
        case PutRoute(route) | RemoveRoute(route):
            return _route(route)
        case AddRule(rule) | RemoveRule(rule):
            return _rule(rule)


def _route(route: Route) -> str:
    words = ["unreachable route" if route.unreachable else "route", str(route.dst)]
    words += ["via", str(route.gateway)] if route.gateway else []
    return " ".join([*words, f"in table {route.table}"])


def _rule(rule: Rule) -> str:
    words = [f"IPv{rule.version} rule {rule.priority}"]
    words += [f"from {rule.src}"] if rule.src else []
    words += [f"to {rule.dst}"] if rule.dst else []
    words += [f"fwmark {rule.mark:#x}/{rule.mask:#x}"] if rule.mask else []
    return " ".join([*words, f"lookup {rule.table}" if rule.action == LOOKUP else "unreachable"])
