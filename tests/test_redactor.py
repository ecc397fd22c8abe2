"""Secrets in a stream: wherever the pieces are cut, and none is missed by the search that goes ahead."""

import re

import pytest
import re2
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.redaction import RULES, Rule, cut_secrets
from agent.redactor import Redactor

KEY = b"-----BEGIN EC PRIVATE KEY-----\n" + b"MHcCAQEEIAbc\n" * 60 + b"-----END EC PRIVATE KEY-----\n"
# Words of secrets and of what surrounds them: their combinations reach every rule.
WORDS = [
    *("password", "DB_TOKEN", "secret", "auth", "client-key-data", "--token", "Authorization", "Bearer ", "x=1", "eyJ"),
    *(": ", "=", " ", '"', '\\"', "'", ",", "{", "}", "://", "@", "?", "&", "X-Amz-Signature=", "AKIAIOSFODNN7EXAMPLE"),
    *("hunter2", "null", "\n", "\n", "\\n", "\udcff", "é", "https://u:p@h/", "-----BEGIN RSA PRIVATE KEY-----"),
    *(
        "-----END RSA PRIVATE KEY-----\n",
        "LS0tLS1CRUdJTiBSU0Eg",
        "k8s-aws-v1.abc",
        "<redacted>",
        "abcdefghij.klmnopqrst.",
    ),
]
texts = st.lists(st.sampled_from(WORDS), max_size=40).map("".join)


def passed(pieces: list[bytes]) -> tuple[bytes, int]:
    redactor = Redactor()
    out = b"".join([*(each for piece in pieces for each in redactor.feed(piece)), *redactor.close()])
    return out, redactor.count


@given(st.lists(st.binary(max_size=300)))
def test_what_is_no_secret_passes_byte_for_byte(pieces: list[bytes]) -> None:
    assert passed(pieces) == (b"".join(pieces), 0)


@settings(deadline=None, max_examples=150)
@given(texts)
def test_a_stream_is_cut_as_its_lines_are(text: str) -> None:
    # A private key runs over lines; everything else is decided within one.
    raw = text.encode(errors="surrogateescape")
    if "-----BEGIN" in text:
        expected = cut_secrets(text)
        assert passed([raw])[0].count(b"<redacted>") >= expected.text.count("<redacted>") > 0 or expected.count == 0
    else:
        cuts = [cut_secrets(line) for line in re.split("(?<=\n)", text)]
        assert passed([raw]) == (
            "".join(c.text for c in cuts).encode(errors="surrogateescape"),
            sum(c.count for c in cuts),
        )


@settings(deadline=None, max_examples=100)
@given(texts, st.integers(1, 50))
def test_where_the_pieces_are_cut_makes_no_difference(text: str, piece: int) -> None:
    raw = text.encode(errors="surrogateescape")
    assert passed([raw[start : start + piece] for start in range(0, len(raw), piece)]) == passed([raw])


# The private key's own pattern takes seconds to make examples of; it begins with its trigger.
@pytest.mark.parametrize("rule", RULES[1:], ids=lambda rule: rule.trigger[:40])
@settings(deadline=None, max_examples=15)
@given(st.data())
def test_the_search_that_goes_ahead_misses_nothing(rule: Rule, data: st.DataObject) -> None:
    text = data.draw(st.from_regex(re.compile(rule.pattern, rule.flags | re.ASCII)))
    assert re2.search(rule.trigger.encode(), text.encode(errors="surrogateescape"), LATIN1) is not None


LATIN1 = re2.Options()
LATIN1.encoding = re2.Options.Encoding.LATIN1


@settings(deadline=None)
@given(st.integers(0, 300_000), st.integers(100, 100_000))
def test_a_private_key_is_cut_wherever_it_stands(before: int, piece: int) -> None:
    text = b"some line\n" * (before // 10) + KEY + b"after\n"
    out, count = passed([text[start : start + piece] for start in range(0, len(text), piece)])
    assert b"MHcCAQEEIAbc" not in out
    assert out.endswith(b"after\n")
    assert count == 1


def test_a_secret_across_two_pieces_is_cut() -> None:
    out, count = passed([b"x" * 10 + b" Authorization: Bearer abcd", b"ef0123456789\n"])
    assert out == b"x" * 10 + b" Authorization: Bearer <redacted>\n"
    assert count == 1


def test_memory_is_bounded_without_any_space() -> None:
    redactor = Redactor()
    came = sum(len(each) for _ in range(50) for each in redactor.feed(b"x" * 100_000))
    assert came > 3_000_000
    assert came + sum(map(len, redactor.close())) == 5_000_000


@pytest.mark.parametrize(
    "piece", ["http://", "a://b:", "-----BEGIN RSA PRIVATE KEY-----", "--token ", '"', "token=,", "eyJ"]
)
def test_a_long_line_of_beginnings_is_read_to_its_end(piece: str) -> None:
    # Signature= has every rule look at the line.
    line = (piece * (100_000 // len(piece)) + " Signature=x password=hunter2\n").encode()
    out, count = passed([line])
    assert b"hunter2" not in out
    assert count >= 1
