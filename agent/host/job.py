"""What a child of the collector is given: one output to gather, its bounds, and where it goes."""

import re
import time
from dataclasses import dataclass, replace
from pathlib import Path

from agent.host import files
from agent.host.flow import Bounds, Flow, Sender
from agent.outputs import Keep, Opened, Outcome, Output, Status

# What lists items may name them as it likes: a path of the bundle is made of this and nothing else.
_ODD = re.compile(r"[^\w.@:+-]|^\.+")


@dataclass(frozen=True, slots=True)
class Job:
    """One output on its way; `until` is when its time is over, on the monotonic clock."""

    output: Output
    bounds: Bounds
    sender: Sender
    root: Path
    until: float

    @property
    def source(self) -> str:
        return str(self.output.source)

    def left(self) -> float:
        return max(0.0, self.until - time.monotonic())

    def below(self, path: str) -> Path:
        return files.below(self.root, path)

    def item_path(self, name: str) -> str:
        """Return the output's path for one of its items."""
        return self.output.path.replace("*", _ODD.sub("_", name)) if name else self.output.path

    def flow(
        self, path: str = "", source: str = "", *, modified: float | None = None, keep: Keep | None = None
    ) -> Flow:
        """Begin a file of the output."""
        began = time.time() if modified is None else modified
        bounds = replace(self.bounds, keep=keep or self.bounds.keep)
        return Flow(Opened(path or self.output.path, source or self.source, began), bounds, self.sender)

    def explain(self, status: Status, error: str = "", *, path: str = "", source: str = "") -> None:
        """Say why there is no file."""
        self.sender.close(Outcome(path or self.output.path, source or self.source, status, error=error))
