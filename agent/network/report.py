"""What a pass came to, in a state, a sentence and a line an interface."""

from collections.abc import Sequence
from dataclasses import dataclass

from agent.model import Unknown
from agent.network.records import Node, Record
from agent.network.targets import Target

NO_PREFIX = "no prefix is delegated to this node: pods get node-local addresses, which only this node reaches"
# States that are as they should be.
_FINE = frozenset({"ready", "ignored", "gone"})


@dataclass(frozen=True, slots=True)
class Report:
    """`state` and `message` as status files have them, and a line an interface."""

    state: str
    message: str
    interfaces: dict[str, str]


NOTHING_YET = Report("waiting", "IMDS has not been read yet", {})


def build(node: Node, targets: Sequence[Target], troubles: Sequence[str]) -> Report:
    """Return the report: what holds up most comes first in its message."""
    records = {target.mac: node.records[target.mac] for target in targets}
    staying = [records[target.mac] for target in targets if not _is_leaving(records[target.mac], target)]
    lines = {
        mac: record.state if record.reason is None else f"{record.state}: {record.reason}"
        for mac, record in records.items()
    }
    if isinstance(node.primary_mac, Unknown) or not node.records:
        return Report("waiting", node.trouble or NOTHING_YET.message, lines)
    reasons = [record.reason or record.state for record in staying if record.state not in _FINE]
    reasons += [node.trouble] if node.trouble else []
    # What was known stays as it is while IMDS does not say it again.
    reasons += [record.memory.trouble for record in staying if record.memory.trouble and not record.has_left]
    # One cause may be told by every key that it spoils.
    reasons = list(dict.fromkeys([*reasons, *troubles]))
    if reasons:
        return Report("degraded", "; ".join(reasons), lines)
    count = sum(record.state == "ready" for record in records.values())
    return Report("ok", f"{count} network interface{'s' if count != 1 else ''} ready", lines)


def _is_leaving(record: Record, target: Target) -> bool:
    """Whether it is being detached, as somebody asked for; pods that still use its ranges make it a trouble."""
    if target.interface.primary is not False or target.lingering:
        return False
    return record.state == "draining" or record.link_gone is not None
