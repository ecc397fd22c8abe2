"""Answers of a metadata service in pieces, and what is none; `http.client` reads them too, and says the same."""

import http.client
import io
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.http_answer import BrokenAnswerError, Incoming
from agent.imdsv2 import BODY_LIMIT, Answer

USUAL = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\nServer: EC2ws\r\n\r\neth0\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\neth\r\n2;x=y\r\n0\n\r\n0\r\n\r\n"
CLOSING = b"HTTP/1.0 200 OK\r\n\r\neth0\n"


def fed(*pieces: bytes) -> tuple[Answer | None, Incoming]:
    incoming = Incoming()
    for piece in pieces[:-1]:
        assert incoming.feed(piece) is None
    return incoming.feed(pieces[-1]), incoming


def whole(data: bytes) -> Answer:
    incoming = Incoming()
    answer = incoming.feed(data) or incoming.feed(b"")
    assert answer is not None
    return answer


@pytest.mark.parametrize("data", [USUAL, CHUNKED])
def test_an_answer_with_an_end_leaves_the_connection_for_another(data: bytes) -> None:
    answer, incoming = fed(data)
    assert answer is not None
    assert (answer.status, answer.body) == (200, b"eth0\n")
    assert incoming.reusable


def test_headers_are_known_by_their_names_in_lower_case_and_joined() -> None:
    answer = whole(b"HTTP/1.1 404 Not Found\r\nDATE:now \r\nVia: a\r\nvia:\tb\r\nContent-Length: 0\r\n\r\n")
    assert answer.headers == {"date": "now", "via": "a, b", "content-length": "0"}
    assert answer.status == 404


@pytest.mark.parametrize(
    "data",
    [
        CLOSING,
        b"HTTP/1.1 200 OK\r\n\r\neth0\n",
        b"HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 5\r\n\r\neth0\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\neth0\n",
    ],
)
def test_a_connection_that_will_close_is_not_used_again(data: bytes) -> None:
    incoming = Incoming()
    answer = incoming.feed(data) or incoming.feed(b"")
    assert answer is not None
    assert answer.body == b"eth0\n"
    assert not incoming.reusable


def test_what_comes_after_the_answer_makes_the_connection_useless() -> None:
    answer, incoming = fed(USUAL + b"HTTP/1.1 200 OK\r\n")
    assert answer is not None
    assert not incoming.reusable


def test_what_comes_before_the_answer_proper_is_passed_over() -> None:
    assert whole(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + USUAL).body == b"eth0\n"


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_that_has_no_body_ends_with_its_headers(status: int) -> None:
    answer, incoming = fed(b"HTTP/1.1 %d Nothing\r\nServer: EC2ws\r\n\r\n" % status)
    assert answer is not None
    assert incoming.reusable


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno header\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\x00c\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"0" * 2000,
        b"HTTP/1.1 200 OK\r\nA: " + b"b" * (1 << 17),
        b"HTTP/1.1 200 OK\r\n\r\n" + b"b" * (BODY_LIMIT + 1),
    ],
)
def test_what_is_no_answer_is_refused_as_soon_as_it_shows(data: bytes) -> None:
    with pytest.raises(BrokenAnswerError):
        fed(data)


@pytest.mark.parametrize("data", [USUAL, CHUNKED])
@given(share=st.floats(0, 1, exclude_max=True))
def test_an_answer_cut_short_is_none(data: bytes, share: float) -> None:
    with pytest.raises(BrokenAnswerError, match="mid-answer"):
        fed(data[: int(len(data) * share)], b"")


def wire(status: int, headers: dict[str, str], body: bytes, sizes: list[int] | None) -> bytes:
    """Return an answer as it is sent; `sizes` are those of its chunks, None where it is sent whole."""
    lines = [f"HTTP/1.1 {status} Said", *(f"{name}: {value}" for name, value in headers.items())]
    if sizes is None:
        return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body
    chunks, start = [], 0
    for size in [*sizes, len(body)]:
        piece = body[start : start + size]
        chunks += [b"%x\r\n%b\r\n" % (len(piece), piece)] if piece else []
        start += size
    return "\r\n".join([*lines, "Transfer-Encoding: chunked", "", ""]).encode() + b"".join(chunks) + b"0\r\n\r\n"


class Sent:
    """What `http.client` takes for a socket."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self._data)


@given(
    status=st.sampled_from([200, 400, 401, 403, 404, 429, 500, 503]),
    headers=st.dictionaries(
        st.from_regex(r"X-[A-Za-z0-9-]{1,20}", fullmatch=True),
        st.from_regex(r"[!-~]([ -~]{0,40}[!-~])?", fullmatch=True),
        max_size=5,
    ),
    body=st.binary(max_size=300),
    sizes=st.none() | st.lists(st.integers(1, 50), max_size=8),
    cuts=st.lists(st.integers(0, 700), max_size=10),
)
def test_however_an_answer_is_cut_up_it_says_what_the_standard_library_reads(
    status: int, headers: dict[str, str], body: bytes, sizes: list[int] | None, cuts: list[int]
) -> None:
    headers = {name.lower(): value for name, value in headers.items()}
    data = wire(status, headers, body, sizes)
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    pieces = [data[start:end] for start, end in pairwise(edges)]
    answer, incoming = fed(*pieces)
    with http.client.HTTPResponse(Sent(data), method="GET") as oracle:  # type: ignore[arg-type]
        oracle.begin()
        assert answer is not None
        assert answer.body == oracle.read() == body
        assert answer.status == oracle.status
        assert answer.headers == {name.lower(): value for name, value in oracle.getheaders()}
    assert incoming.reusable
