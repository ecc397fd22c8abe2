"""Questions to a DNS server, and the codes of its answers."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import dns_question


def test_a_question_asks_for_the_addresses_of_a_name() -> None:
    written = dns_question.question("api.demo.example.", 0x1234)
    assert written == bytes.fromhex("1234 0100 0001 0000 0000 0000") + b"\x03api\x04demo\x07example\x00\x00\x01\x00\x01"


@pytest.mark.parametrize(
    "name", ["", ".", "a..b", ".a", "a..", "x" * 64 + ".example", "label." * 50 + "example", "bücher.example"]
)
def test_what_is_no_name_is_not_asked(name: str) -> None:
    assert not dns_question.is_name(name)
    with pytest.raises(ValueError, match="no name of the DNS"):
        dns_question.question(name, 1)


@pytest.mark.parametrize(
    "name", ["a", "api.demo.example.", "x" * 63 + ".example", "a_b.example", "10.0.0.1", "fd00::1"]
)
def test_what_is_a_name(name: str) -> None:
    assert dns_question.is_name(name)


@pytest.mark.parametrize(
    ("flags", "code"),
    [(0x8180, "NOERROR"), (0x8182, "SERVFAIL"), (0x8183, "NXDOMAIN"), (0x8185, "REFUSED"), (0x8189, "RCODE9")],
)
def test_an_answer_has_a_code(flags: int, code: str) -> None:
    assert dns_question.code(struct.pack("!6H", 7, flags, 1, 0, 0, 0), 7) == code


@pytest.mark.parametrize(
    "message",
    [b"", b"\x00\x07\x81", struct.pack("!6H", 8, 0x8180, 1, 0, 0, 0), dns_question.question("a.example", 7)],
    ids=["empty", "cut", "of another question", "a question"],
)
def test_what_is_no_answer_to_it_has_none(message: bytes) -> None:
    assert dns_question.code(message, 7) is None


@given(st.binary(max_size=40))
def test_any_bytes_are_an_answer_or_none(message: bytes) -> None:
    found = dns_question.code(message, 7)
    assert found is None or message.startswith(b"\x00\x07")
