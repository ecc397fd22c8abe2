"""Which ranges pods are offered now, as the CNI configuration list that says so."""

from collections.abc import Sequence

from agent.model import FileSpec, Unknown
from agent.network import conflist
from agent.network.records import Node
from agent.network.snapshot import usable
from agent.network.targets import Target
from agent.network.wanted import MTU, gateway4

_UNREAD = frozenset({"link-seen", "metadata-pending", "configuring"})
_UNDECIDED = _UNREAD | {"link-missing"}


def offer(node: Node, targets: Sequence[Target], *, pod_subnet_mode: bool) -> FileSpec | Unknown | None:
    """Return the file, None where there is to be none, or Unknown where what is there stays."""
    offered = [(target, prefix) for target in targets for prefix in usable(node.records[target.mac], target)]
    if offered:
        routers = {router for target in targets if (router := gateway4(target.interface)) is not None}
        mtu = min(target.link.mtu for target, _ in offered if target.link)
        return conflist.render(list(dict.fromkeys(prefix for _, prefix in offered)), routers, mtu, masquerade=False)
    states = [(target, node.records[target.mac].state) for target in targets]
    if pod_subnet_mode:
        # Where a prefix is known, and not usable, that is known too; else IMDS may not have told of one yet.
        is_known = any(target.holding.prefixes and state not in _UNREAD for target, state in states)
        is_unread = not targets or any(state in _UNREAD for _, state in states)
        return Unknown("IMDS may still tell of a prefix") if is_unread and not is_known else None
    primary = next((target for target in targets if target.interface.primary is True), None)
    if primary is None or not primary.firm or any(state in _UNDECIDED for _, state in states):
        return Unknown("IMDS may still tell of a prefix")
    mtu = MTU if primary.link is None else primary.link.mtu
    return conflist.render([conflist.NODE_LOCAL], (), mtu, masquerade=True)


def is_routable(node: Node, targets: Sequence[Target]) -> bool:
    """Whether pods get addresses that the VPC routes."""
    return any(usable(node.records[target.mac], target) for target in targets)
