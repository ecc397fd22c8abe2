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
    has_default = any(route.dst.prefixlen == 0 and not route.unreachable for route in state.primary)
    return [*lost, *([] if has_default else [f"there is no default route by {link.name}"])]
