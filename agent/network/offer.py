"""Which ranges pods are offered now, as the CNI configuration list that says so."""

from collections.abc import Sequence

from agent.model import FileSpec, Unknown
from agent.network import conflist
from agent.network.records import Node
from agent.network.snapshot import USABLE
from agent.network.targets import Target
from agent.network.wanted import MTU, gateway4
from agent.rtnl import Network

_UNDECIDED = frozenset({"link-seen", "metadata-pending", "configuring", "link-missing"})


def offer(node: Node, targets: Sequence[Target], *, pod_subnet_mode: bool) -> FileSpec | Unknown | None:
    """Return the file, None where there is to be none, or Unknown where what is there stays."""
    offered = [(target, prefix) for target in targets for prefix in _usable(node, target)]
    if offered:
        routers = {router for target in targets if (router := gateway4(target.interface)) is not None}
        mtu = min(target.link.mtu for target, _ in offered if target.link)
        return conflist.render([prefix for _, prefix in offered], routers, mtu, masquerade=False)
    if pod_subnet_mode:
        return None
    primary = next((target for target in targets if target.interface.primary is True), None)
    if primary is None or not primary.firm or any(node.records[each.mac].state in _UNDECIDED for each in targets):
        return Unknown("IMDS may still tell of a prefix")
    mtu = MTU if primary.link is None else primary.link.mtu
    return conflist.render([conflist.NODE_LOCAL], (), mtu, masquerade=True)


def is_routable(node: Node, targets: Sequence[Target]) -> bool:
    """Whether pods get addresses that the VPC routes."""
    return any(_usable(node, target) for target in targets)


def _usable(node: Node, target: Target) -> tuple[Network, ...]:
    """Return the ENI's prefixes whose rules have been made; those of one that leaves are no more."""
    record = node.records[target.mac]
    if record.state not in USABLE or target.link is None:
        return ()
    made = record.claim.pods
    return tuple(prefix for prefix in target.holding.prefixes if prefix in made)
