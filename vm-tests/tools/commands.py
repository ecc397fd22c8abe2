"""Runs the programs of a build, keeps their output in a log, and shows its end when one fails."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SHOWN = 40  # lines of the log


class BuildError(Exception):
    """A build step failed; the message holds the command and the end of its output."""


@dataclass(frozen=True)
class Build:
    """Where a command of a build runs and where its output goes."""

    log: Path
    directory: Path | None = None
    environment: Mapping[str, str] | None = None

    def run(self, argv: Sequence[str]) -> None:
        """Run one command to its end; BuildError if it fails."""
        with self.log.open("ab") as log:
            done = subprocess.run(
                argv,
                cwd=self.directory,
                env={**os.environ, **(self.environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if done.returncode:
            lines = self.log.read_text(errors="replace").splitlines()[-SHOWN:]
            raise BuildError("\n".join([f"{' '.join(argv)}: exit status {done.returncode}", *lines]))
