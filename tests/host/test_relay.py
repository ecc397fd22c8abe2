import os
import signal
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from agent.host import commands, relay
from agent.host.flow import Sender
from agent.host.relay import Patience
from agent.outputs import Event, Opened, Outcome, Status

BLANK = Outcome("blank", "/blank", Status.FAILED)
LONG = Patience(silence=60, total=60)


def gather(work: Callable[[Sender], None], patience: Patience = LONG) -> list[Event | bytes]:
    with closing(relay.gather(work, BLANK, patience)) as events:
        return [bytes(event) if isinstance(event, memoryview) else event for event in events]


def one_file(sender: Sender) -> None:
    sender.open(Opened("a\udcff\n", "/a", 2.5))
    sender.send(b"x" * 1_000_000)
    sender.close(Outcome("a\udcff\n", "/a", Status.OK, bytes_read=7))


def test_what_the_child_sends_arrives_in_order() -> None:
    opened, *data, outcome = gather(one_file)
    assert opened == Opened("a\udcff\n", "/a", 2.5)
    assert b"".join(data) == b"x" * 1_000_000  # type: ignore[arg-type]
    assert outcome == Outcome("a\udcff\n", "/a", Status.OK, bytes_read=7)


def test_a_child_that_blocks_costs_its_output_only() -> None:
    def work(sender: Sender) -> None:
        sender.open(Opened("b", "/b", 1.0))
        sender.send(b"part")
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Event().wait()

    *_, part, lost = gather(work, Patience(silence=0.5, total=60))
    assert isinstance(lost, Outcome)
    assert (part, lost.path, lost.status, lost.left_behind) == (b"part", "b", Status.TIMEOUT, 0)
    assert "blocks" in lost.error


def test_a_child_that_says_that_it_is_alive_is_waited_for() -> None:
    def work(sender: Sender) -> None:
        for _ in range(8):
            threading.Event().wait(0.25)
            sender.alive()
        one_file(sender)

    *_, outcome = gather(work, Patience(silence=1, total=60))
    assert isinstance(outcome, Outcome)
    assert outcome.status is Status.OK


def test_what_came_before_the_end_of_the_time_is_kept() -> None:
    def work(sender: Sender) -> None:
        sender.open(Opened("b", "/b", 1.0))
        while True:
            sender.send(b"part\n" * 10_000)

    opened, *data, lost = gather(work, Patience(silence=60, total=0.2))
    assert opened == Opened("b", "/b", 1.0)
    assert isinstance(lost, Outcome)
    assert (lost.path, lost.status) == ("b", Status.TIMEOUT)
    assert b"".join(data).startswith(b"part\npart\n")  # type: ignore[arg-type]


def test_a_child_that_dies_is_an_outcome() -> None:
    (lost,) = gather(lambda _: os.kill(os.getpid(), signal.SIGKILL))
    assert isinstance(lost, Outcome)
    assert (lost.status, lost.path) == (Status.FAILED, "blank")
    assert "ended early" in lost.error


def test_a_defect_is_printed_and_the_parent_goes_on(capfd: object) -> None:
    def work(_sender: Sender) -> None:
        raise ValueError("a defect")

    (lost,) = gather(work)
    assert isinstance(lost, Outcome)
    assert lost.status is Status.FAILED
    assert "ValueError: a defect" in capfd.readouterr().err  # type: ignore[attr-defined]


def test_no_child_is_left_when_the_parent_has_enough(tmp_path: Path) -> None:
    def work(sender: Sender) -> None:
        (tmp_path / "pid").write_text(str(os.getpid()))
        while True:
            sender.send(b"x" * 100_000)

    with closing(relay.gather(work, BLANK, LONG)) as events:
        next(events)
    assert not Path("/proc", (tmp_path / "pid").read_text()).exists()


def test_a_command_of_a_child_that_is_ended_ends_too(tmp_path: Path) -> None:
    def work(_sender: Sender) -> None:
        commands.run(["sh", "-c", f"echo $$ >{tmp_path}/pid; exec sleep 600"], timeout=600)

    (lost,) = gather(work, Patience(silence=1, total=60))
    assert isinstance(lost, Outcome)
    assert lost.status is Status.TIMEOUT
    assert not Path("/proc", (tmp_path / "pid").read_text().strip()).exists()
