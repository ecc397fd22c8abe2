"""Secrets in a stream: wherever the pieces are cut."""

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.redaction import Redactor

KEY = b"-----BEGIN EC PRIVATE KEY-----\n" + b"MHcCAQEEIAbc\n" * 60 + b"-----END EC PRIVATE KEY-----\n"


def passed(pieces: list[bytes]) -> tuple[bytes, int]:
    redactor = Redactor()
    out = b"".join(redactor.feed(piece) for piece in pieces) + redactor.close()
    return out, redactor.count


@given(st.lists(st.binary(max_size=300)))
def test_what_is_no_secret_passes_byte_for_byte(pieces: list[bytes]) -> None:
    assert passed(pieces) == (b"".join(pieces), 0)


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
    came = sum(len(redactor.feed(b"x" * 100_000)) for _ in range(50))
    assert came + len(redactor.close()) == 5_000_000
    assert came > 3_000_000
