"""What the primary must have from systemd-networkd: it is looked at, and told, but never made here."""

from collections.abc import Mapping, Sequence

from agent.network.targets import Target
from agent.rtnl import State


def troubles(targets: Sequence[Target], state: State) -> Mapping[str, list[str]]:
    """Return by MAC what the primary lacks."""
    return {target.mac: list(_lacks(target, state)) for target in targets if target.interface.primary is True}


def _lacks(target: Target, state: State) -> Sequence[str]:
    link = target.link
    if link is None:
        return ()
    there = {address.value.ip for address in state.addresses if address.index == link.index}
    lost = [
        f"{link.name} does not have the primary's address {host}" for host in target.holding.hosts if host not in there
    ]
    led = {route.dst.version for route in state.primary if route.dst.prefixlen == 0 and not route.unreachable}
    unled = sorted({host.version for host in target.holding.hosts} - led)
    return [*lost, *(f"there is no IPv{version} default route by {link.name}" for version in unled)]
