import gzip
import random
import time
from dataclasses import dataclass
from pathlib import Path

from agent.host import trees
from agent.host.flow import Bounds
from agent.host.job import Job
from agent.outputs import File, Keep, Opened, Outcome, Output, Status

MIB = 1 << 20


@dataclass
class Signs:
    """Counts the signs of life, those before the first bytes apart, and the bytes."""

    before: int = 0
    after: int = 0
    sent: int = 0
    outcome: Outcome | None = None

    def open(self, opened: Opened) -> None:
        assert opened.path == "a"

    def send(self, data: bytes | memoryview) -> None:
        self.sent += len(data)

    def alive(self) -> None:
        if self.sent:
            self.after += 1
        else:
            self.before += 1

    def close(self, outcome: Outcome) -> None:
        self.outcome = outcome


def test_a_long_packed_log_says_that_it_is_alive_while_its_end_is_looked_for(tmp_path: Path) -> None:
    """Nothing comes of it meanwhile, and whoever waits would give it up."""
    lines = random.Random(1).randbytes(8 << 10).hex().encode() + b"\n"
    member = gzip.compress((lines * (MIB // len(lines) + 1))[:MIB])
    (tmp_path / "a.gz").write_bytes(member * 600)
    signs, source = Signs(), File(("/a.gz",))
    bounds = Bounds(200 * MIB, Keep.TAIL, tmp_path)
    job = Job(Output("Base", "a", source), bounds, signs, tmp_path, time.monotonic() + 60)
    trees.take_file(job, source)
    # Counting is two signs of 256 MiB each and one at its end; then one on the way to the last 200 MiB.
    assert (signs.before, signs.after) == (4, 0)
    assert signs.outcome is not None
    assert signs.outcome.status is Status.TRUNCATED
    assert 190 * MIB < signs.sent <= 200 * MIB
