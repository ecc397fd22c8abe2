"""What a pass came to, in a state, a sentence and a line an interface."""

from collections.abc import Sequence
from dataclasses import dataclass

from agent.eni import EniTree
from agent.model import Unknown
from agent.network import conflist, snapshot
from agent.network.desired import Interface
from agent.rtnl import Failure

_NO_PREFIX = "no prefix is delegated to the primary: pods get node-local addresses, which only this node reaches"


@dataclass(frozen=True, slots=True)
class Report:
    """`state` and `message` as status files have them; `pending`: whether IMDS is asked again soon."""

    state: str
    message: str
    pending: bool
    interfaces: dict[str, str]


def build(
    tree: EniTree, interfaces: Sequence[Interface], failures: Sequence[Failure], refused_sysctls: Sequence[str]
) -> Report:
    """Return the report: what holds up most comes first in its message."""
    states = {each.eni.mac: snapshot.state(each, failures) for each in interfaces}
    lines = {mac: name if reason is None else f"{name}: {reason}" for mac, (name, reason) in states.items()}
    if isinstance(tree.enis, Unknown):
        return Report("waiting", tree.enis.reason, pending=True, interfaces=lines)
    if isinstance(tree.primary_mac, Unknown):
        return Report("waiting", tree.primary_mac.reason, pending=True, interfaces=lines)
    reasons = [reason for _, reason in states.values() if reason is not None]
    pending = bool(reasons)
    reasons += refused_sysctls
    if reasons:
        return Report("degraded", "; ".join(reasons), pending, lines)
    if conflist.is_routable(interfaces) is False:
        return Report("degraded", _NO_PREFIX, pending, lines)
    count = len(interfaces)
    return Report("ok", f"{count} network interface{'s' if count != 1 else ''} ready", pending, lines)
