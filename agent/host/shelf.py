"""The folder that the kubelet's log endpoint shows: bundles stay there for ten minutes, also across restarts."""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from agent.errors import FailedError
from agent.host import files
from agent.host.spool import Spool

# Where the peer leaves a bundle, for how long, and under which name.
_PLACE = "/var/log/support/{node}-logs.tar.gz"
_SECONDS = 600.0


class Shelf:
    """Copies of bundles below `root`; a file's own time says when it goes."""

    def __init__(self, spool: Spool, bundle: str, *, node: str, reserve: int, root: Path) -> None:
        self._spool = spool
        self._bundle = bundle
        self._own = files.below(root, _PLACE.format(node=node))
        self._reserve = reserve
        self._root = root

    def keep(self, capture: str, node: str, tick: Callable[[], None]) -> str:
        """Put a capture's bundle there, whole or not at all, and return its path on the node."""
        path = _PLACE.format(node=node)
        source, target = self._spool.place(capture) / self._bundle, files.below(self._root, path)
        target.parent.mkdir(parents=True, exist_ok=True)
        if files.free_bytes(target.parent) < files.size(source) + self._reserve:
            raise FailedError(f"no space for {path}", hint="free space on the data volume, or give a pre-signed URL")
        files.copy_file(source, target, mode=0o640, tick=tick)
        return path

    def sweep(self) -> None:
        """Remove this node's bundle when it has stayed long enough; a time to come is a clock's that was wrong.

        What others leave in the folder is theirs, under whatever name.
        """
        for path in (self._own, files.half_of(self._own)):
            with suppress(FileNotFoundError):
                if not 0 <= time.time() - path.lstat().st_mtime + 1 <= _SECONDS:
                    path.unlink()
