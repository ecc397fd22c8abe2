"""The files that others read: made anew only where what they are made of has changed."""

from collections.abc import Sequence
from dataclasses import dataclass

from agent.model import FileSpec, Unknown
from agent.network import snapshot
from agent.network.offer import offer
from agent.network.records import Node, Record
from agent.network.snapshot import Snapshot
from agent.network.targets import Target


@dataclass(frozen=True, slots=True)
class Published:
    """`offered` as `offer` returns it; `enis` is None where nothing is known of any ENI yet."""

    offered: FileSpec | Unknown | None
    enis: FileSpec | None


class Publication:
    """What is published now; it begins with the snapshot that a daemon before this one left."""

    def __init__(self, before: Snapshot | None, boot_id: str, path: str) -> None:
        self._snapshot = before
        self._boot_id = boot_id
        self._path = path
        self._basis: object = None
        self.published = Published(Unknown("nothing is known yet"), None)

    def of(self, node: Node, targets: Sequence[Target], *, pod_subnet_mode: bool) -> Published:
        """Return the files as they should be now."""
        basis = (pod_subnet_mode, [_gist(node.records[target.mac], target) for target in targets])
        if basis != self._basis:
            current = snapshot.build(node, targets, self._boot_id, self._snapshot, pod_subnet_mode=pod_subnet_mode)
            self.published = Published(
                offered=offer(node, targets, pod_subnet_mode=pod_subnet_mode),
                enis=FileSpec(self._path, snapshot.as_json(current)) if current else None,
            )
            self._basis, self._snapshot = basis, current or self._snapshot
        return self.published


def _gist(record: Record, target: Target) -> tuple[object, ...]:
    said = (record.state, record.reason, record.link_seen, record.complete, record.ready, record.since, target.firm)
    former = (target.withdrawn, target.claim.tables, record.claim.pods, record.lacking)
    return (said, target.interface, target.holding, former)
