"""Secrets in a stream: wherever the pieces are cut, and none is missed by the search that goes ahead."""

import re
from collections import deque

import pytest
import re2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.redaction import cut_secrets
from agent.redaction_rules import NAME, NAMED, RULES, Rule
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
        *(
            "tokens: [",
            "]",
            '"""',
            "'''",
            ": |\n",
            ":\n",
            "\n  ",
            "\n- ",
            "    ",
            "--password ",
            "name: ",
            "pass=",
            "psk=",
        ),
        *("curl -u a:x", "Cookie: a=b", "user-data = ", "<token>", "</", "2026-11-22T15:04:05.0Z stdout F ", "#"),
        *("abcdefghij.klmnopqrst.", "--dbpass", "--auth", "-auth a:", "u:p@tcp(", ";Pwd=", "pwd", "AccountKey="),
        *("mysql ", "-px", "redis-cli ", " -a ", "mongo ", "sshpass ", " -p ", "; "),
        *(
            "Authorization",
            "[",
            "eyJhdXRocyI6" + "a" * 60,
            "ctr ",
            " pull ",
            " -u ",
            "crictl ",
            "--creds ",
            "a:b",
            "%3D",
        ),
        *(
            "configure set ",
            "aws_secret_access_key ",
            "machine h login me ",
            "X-Amz-Signature%3D",
            "%26",
            "abcdefghijklmnopq",
        ),
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


@settings(deadline=None, max_examples=300)
@given(texts)
def test_a_stream_is_cut_as_its_text_is(text: str) -> None:
    raw = text.encode(errors="surrogateescape")
    expected = cut_secrets(text)
    if "-----BEGIN" in text:
        # A key that does not end takes in what follows, up to another secret or not.
        assert passed([raw])[0].count(b"<redacted>") >= expected.text.count("<redacted>") > 0 or expected.count == 0
    else:
        assert passed([raw]) == (expected.text.encode(errors="surrogateescape"), expected.count)


@settings(deadline=None, max_examples=100)
@given(texts, st.integers(1, 50))
def test_where_the_pieces_are_cut_makes_no_difference(text: str, piece: int) -> None:
    raw = text.encode(errors="surrogateescape")
    assert passed([raw[start : start + piece] for start in range(0, len(raw), piece)]) == passed([raw])


# Private keys, triple quotes and curl take seconds to make examples of; their triggers are parts of their patterns.
@pytest.mark.parametrize(
    "rule",
    [rule for rule in RULES if "16384" not in rule.pattern and "curl" not in rule.pattern],
    ids=lambda rule: rule.pattern[:40],
)
@settings(deadline=None, max_examples=8, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(st.data())
def test_the_search_that_goes_ahead_misses_nothing(rule: Rule, data: st.DataObject) -> None:
    text = data.draw(st.from_regex(re.compile(rule.pattern, rule.flags | re.ASCII)))
    assert re2.search(rule.trigger.encode(), text.encode(errors="surrogateescape"), LATIN1) is not None
    assert rule not in NAMED or re.search(NAME, text, re.ASCII)
    assert re.search(rule.needs, text)


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


@pytest.mark.parametrize(
    "text",
    [
        'password = """\nhunter2\n"""\n',
        "password = '''\nx\nhunter2'''\n",
        "password: |\n  x\n\n  hunter2\n",
        "token: >-  # folded\n  hunter2\n",
        "password:\n  hunter2\n",
        'tokens = [\n  "x",\n  "hunter2",\n]\n',
        'tokens = [\n"x",\n"hunter2",\n]\n',
        "tokens:\n- x\n- hunter2\n",
        '["--password",\n  "hunter2"]\n',
        '["--requirepass",\n  "hunter2"]\n',
        '["--basic-auth",\n  "me:hunter2"]\n',
        "- --rootpass\n- hunter2\n",
        "- --auth\n- me:hunter2\n",
        "- --src-creds\n- me:hunter2\n",
        "- name: DB_TOKEN\n  value: hunter2\n",
    ],
)
@pytest.mark.parametrize("piece", [1, 7, 100])
def test_a_secret_over_lines_is_cut_wherever_the_pieces_are(text: str, piece: int) -> None:
    raw = f"before: 1\n{text}after: 2\n".encode()
    out, count = passed([raw[start : start + piece] for start in range(0, len(raw), piece)])
    assert b"hunter2" not in out
    assert out.startswith(b"before: 1\n")
    assert out.endswith(b"after: 2\n")
    assert count == 1


def test_a_secret_that_never_ends_is_not_waited_for() -> None:
    for opening in (b'password = """\n', b"password: |\n", b"password:\n" + b"x" * 300_000):
        redactor = Redactor()
        for _ in range(4):
            deque(redactor.feed(opening + b"  x\n" * 10_000), maxlen=0)
        assert sum(map(len, redactor.close())) < 400_000


@pytest.mark.parametrize(
    "secret",
    ['"password": "hunter2 x"', "--password hunter2", "Authorization: Bearer hunter2hunter2", "token: ['hunter2']"],
)
@pytest.mark.parametrize("end", [1 << 18, (1 << 18) - (20 << 10)], ids=["end", "gap"])
def test_a_secret_in_a_long_line_is_cut_wherever_it_stands(secret: str, end: int) -> None:
    # Across the end of a piece, and across the place near it where the line is cut.
    for before in (1, len(secret) // 2, len(secret) - 3):
        raw = (b"a b " * (1 << 16))[: end - before] + b" " + secret.encode() + b', "y": 1}' + b" z" * (1 << 14)
        out, count = passed([raw[start : start + (1 << 18)] for start in range(0, len(raw), 1 << 18)])
        assert b"hunter2" not in out
        assert count == 1


def test_a_long_line_of_secrets_and_no_space_is_cut_between_them() -> None:
    raw = b"{" + b'"password":"hunter2","user":"x",' * 12_000
    out, count = passed([raw[start : start + (1 << 18)] for start in range(0, len(raw), 1 << 18)])
    assert (out.count(b"hunter2"), count) == (0, 12_000)
