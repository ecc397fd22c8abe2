"""The IMDSv2 protocol, without a socket: which requests are made, and what their answers mean."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import AgentError, FailedError, TemporaryError
from agent.imdsv2 import Answer, Flow, Request, Session, text

PATH = "meta-data/instance-id"
PUT = ("PUT", "/latest/api/token")
GET = ("GET", "/latest/meta-data/instance-id")


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def answer(status: int, body: bytes = b"", **headers: str) -> Answer:
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


TOKEN = answer(200, b"AQAEAtoken==")
VALUE = answer(200, b"i-0123456789abcdef0")


class Exchange:
    """A session whose service answers from a list; an error in it stands for no answer."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.session = Session(self.clock)
        self.requests: list[Request] = []

    def read(self, *answers: Answer | AgentError, path: str = PATH) -> bytes | None:
        self.requests = []
        left = list(answers)
        flow = self.session.read(path)
        try:
            request = next(flow)
            while True:
                self.requests.append(request)
                got = left.pop(0)
                request = flow.throw(got) if isinstance(got, AgentError) else flow.send(got)
        except StopIteration as end:
            assert not left, "the session did not ask for all of it"
            value: bytes | None = end.value
            return value

    @property
    def asked(self) -> Sequence[tuple[str, str]]:
        return [(request.method, request.path) for request in self.requests]


def test_a_token_comes_first_and_is_used_again() -> None:
    exchange = Exchange()
    assert exchange.read(TOKEN, VALUE) == b"i-0123456789abcdef0"
    assert exchange.asked == [PUT, GET]
    assert exchange.requests[0].headers["x-aws-ec2-metadata-token-ttl-seconds"] == "21600"
    assert exchange.requests[1].headers["x-aws-ec2-metadata-token"] == "AQAEAtoken=="
    exchange.read(VALUE)
    assert exchange.asked == [GET]


def test_absent_is_a_value() -> None:
    assert Exchange().read(TOKEN, answer(404)) is None


@pytest.mark.parametrize(
    ("ttl", "age", "renewed"), [("21600", 19400, False), ("21600", 19500, True), ("100", 41, True)]
)
def test_a_token_is_renewed_when_a_tenth_or_a_minute_of_it_is_left(ttl: str, age: float, renewed: bool) -> None:
    exchange = Exchange()
    exchange.read(answer(200, b"first", x_aws_ec2_metadata_token_ttl_seconds=ttl), VALUE)
    exchange.clock.now += age
    exchange.read(*([answer(200, b"second"), VALUE] if renewed else [VALUE]))
    assert exchange.requests[-1].headers["x-aws-ec2-metadata-token"] == ("second" if renewed else "first")


@pytest.mark.parametrize("failure", [answer(503), TemporaryError("no answer")])
def test_an_early_renewal_that_fails_leaves_the_present_token_in_use(failure: Answer | AgentError) -> None:
    exchange = Exchange()
    exchange.read(TOKEN, VALUE)
    exchange.clock.now += 20000
    assert exchange.read(failure, VALUE) == VALUE.body
    exchange.read(VALUE)
    exchange.clock.now += 60
    exchange.read(TOKEN, VALUE)
    assert exchange.asked == [PUT, GET]


def test_an_expired_token_is_not_used() -> None:
    exchange = Exchange()
    exchange.read(TOKEN, VALUE)
    exchange.clock.now += 21600
    with pytest.raises(TemporaryError):
        exchange.read(answer(503))
    assert exchange.asked == [PUT]


def test_401_makes_one_new_token_and_one_repetition() -> None:
    exchange = Exchange()
    exchange.read(TOKEN, VALUE)
    assert exchange.read(answer(401), TOKEN, VALUE) == VALUE.body
    assert exchange.asked == [GET, PUT, GET]
    with pytest.raises(TemporaryError, match="401"):
        exchange.read(answer(401), TOKEN, answer(401))


@pytest.mark.parametrize("status", [301, 302, 307, 403, 405, 429, 500, 502, 503, 504])
def test_any_other_status_is_unknown(status: int) -> None:
    with pytest.raises(TemporaryError, match=str(status)):
        Exchange().read(TOKEN, answer(status, b"body", location="http://elsewhere.example/"))


@pytest.mark.parametrize(("wish", "honoured"), [("7", 7.0), ("3600", 30.0), ("Wed, 21 Oct 2026 07:28:00 GMT", None)])
def test_the_wish_to_come_back_later(wish: str, honoured: float | None) -> None:
    with pytest.raises(TemporaryError) as caught:
        Exchange().read(TOKEN, answer(503, retry_after=wish))
    assert caught.value.retry_after == honoured


def test_a_malformed_request_is_not_tried_again() -> None:
    with pytest.raises(FailedError, match="400"):
        Exchange().read(answer(400))
    with pytest.raises(FailedError, match="400"):
        Exchange().read(TOKEN, answer(400))


def test_403_to_the_token_request_means_disabled_after_a_short_window() -> None:
    exchange = Exchange()
    for later, kind in ((0.0, TemporaryError), (29.0, TemporaryError), (1.0, FailedError)):
        exchange.clock.now += later
        with pytest.raises(kind, match="disabled"):
            exchange.read(answer(403))
    exchange.read(TOKEN, VALUE)
    exchange.clock.now += 21600
    with pytest.raises(TemporaryError):
        exchange.read(answer(403))


@pytest.mark.parametrize("body", [b"", b"two words", b"a\r\nHost: b", b"\xff", b"a" * 1025])
def test_a_token_that_would_change_the_request_is_refused(body: bytes) -> None:
    with pytest.raises(TemporaryError, match="token"):
        Exchange().read(answer(200, body))


def test_a_request_on_the_wire() -> None:
    request = Request("GET", "/latest/user-data", {"x-aws-ec2-metadata-token": "secret"})
    assert request.encode("[::1]:80").split(b"\r\n") == [
        b"GET /latest/user-data HTTP/1.1",
        b"host: [::1]:80",
        b"accept: */*",
        b"x-aws-ec2-metadata-token: secret",
        b"",
        b"",
    ]


def test_nothing_secret_in_a_repr() -> None:
    exchange = Exchange()
    exchange.read(answer(200, b"s3cret"), answer(200, b"s3cret"))
    assert "s3cret" not in repr((exchange.session, exchange.requests, answer(200, b"s3cret", set_cookie="s3cret")))


def test_text_loses_one_newline_only() -> None:
    assert text("key", b"one\ntwo\n\n") == "one\ntwo\n"


@pytest.mark.parametrize("body", [b"\xff", b"a\x00b", b"a\rb", b"a\tb", b"\x1b[2J", b"\x7f", "\x85".encode()])
def test_what_is_no_text_is_refused(body: bytes) -> None:
    with pytest.raises(FailedError, match="meta-data/key"):
        text("meta-data/key", body)


@given(st.binary(max_size=40))
def test_text_has_no_control_characters(body: bytes) -> None:
    try:
        value = text("key", body)
    except FailedError:
        return
    assert all(character == "\n" or character.isprintable() or ord(character) > 0x9F for character in value)


ANSWERS = st.one_of(st.just(TOKEN), st.sampled_from([200, 204, 302, 400, 401, 403, 404, 429, 500, 503]).map(answer))


@given(st.lists(ANSWERS, min_size=4, max_size=4))
def test_a_read_takes_four_requests_at_most(answers: list[Answer]) -> None:
    """Token, value, new token, value: whatever the service answers, the fourth answer is the last."""
    flow = Session(Clock()).read(PATH)
    next(flow)
    with pytest.raises((StopIteration, AgentError)):
        send_all(flow, answers)


def send_all(flow: Flow, answers: Sequence[Answer]) -> None:
    for each in answers:
        flow.send(each)
