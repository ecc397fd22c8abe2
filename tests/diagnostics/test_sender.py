from datetime import UTC, datetime

from agent import packet_capture
from agent.diagnostics.answer import Lifetime, Next, Verdict
from agent.diagnostics.delivery import Route
from agent.diagnostics.sender import Post, send_all
from agent.errors import TemporaryError
from agent.packet_capture import Ended, PacketResult, Sent

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
DONE, BUSY = Verdict(Next.DONE, 204), Verdict(Next.AGAIN, 503)
DENIED = Verdict(Next.GIVE_UP, 403, "AccessDenied", "no 0f1e2d3c4b5a", "sign anew")
RESULT = PacketResult(Ended.DURATION, 2).dump()


class Ground:
    """A folder in memory, a server that gives its answers in turn, and a clock that waits move."""

    def __init__(self, *chunks: int, ended: bool = True) -> None:
        self.files = {packet_capture.chunk_name(number): b"x" * 10 for number in chunks}
        self.sent: list[str] = []
        self.answers: list[Verdict | TemporaryError] = []
        self.clock = 0.0
        if ended:
            self.files[packet_capture.RESULT] = RESULT

    def run(self) -> Sent:
        lifetime = Lifetime(datetime(2026, 11, 22, 13, tzinfo=UTC), NOON, lambda: self.clock)
        return send_all(self, Post(self.send, self.wait, Route("s3.example", {"0f1e2d3c4b5a"}, lifetime)))

    def send(self, name: str) -> Verdict:
        answer = self.answers.pop(0) if self.answers else DONE
        if isinstance(answer, TemporaryError):
            raise answer
        self.sent += [name] if answer is DONE else []
        return answer

    def wait(self, seconds: float) -> None:
        self.clock += seconds
        if self.clock > 2 and packet_capture.RESULT not in self.files:
            self.files |= {packet_capture.chunk_name(7): b"last", packet_capture.RESULT: RESULT}

    def names(self) -> list[str]:
        return sorted(self.files)

    def read(self, name: str) -> bytes | None:
        return self.files.get(name)

    def write(self, name: str, content: bytes) -> None:
        self.files[name] = content

    def size(self, name: str) -> int:
        return len(self.files[name])

    def remove(self, name: str) -> None:
        del self.files[name]


def test_chunks_go_in_their_order_and_are_removed() -> None:
    ground = Ground(10, 2, 1)
    assert ground.run() == Sent(3, 30)
    assert ground.sent == [packet_capture.chunk_name(number) for number in (1, 2, 10)]
    assert sorted(ground.files) == [packet_capture.RESULT, packet_capture.SENT]


def test_chunks_of_a_capture_that_goes_on_are_waited_for() -> None:
    ground = Ground(1, ended=False)
    assert ground.run() == Sent(2, 14)


def test_a_busy_server_is_asked_again() -> None:
    ground = Ground(1)
    ground.answers = [BUSY, TemporaryError("the connection failed"), DONE]
    assert ground.run() == Sent(1, 10)


def test_a_refusal_ends_it_and_shows_no_secret() -> None:
    ground = Ground(1, 2)
    ground.answers = [DONE, DENIED]
    sent = ground.run()
    assert (sent.chunks, sent.size) == (1, 10)
    assert sent.error.startswith("status=403; code=AccessDenied; s3=no <redacted>; hint=sign anew")
    assert packet_capture.chunk_name(2) in ground.files
    assert ground.run() == sent


def test_a_server_that_stays_away_is_given_up_when_the_policy_ends() -> None:
    ground = Ground(1)
    ground.answers = [TemporaryError("the connection failed")] * 1000
    assert "the connection failed; expires=2026-11-22T13:00:00Z" in ground.run().error
    assert ground.clock < 3600


def test_what_was_sent_before_a_restart_counts() -> None:
    ground = Ground(2)
    ground.files[packet_capture.SENT] = Sent(1, 10).dump()
    assert ground.run() == Sent(2, 20)
