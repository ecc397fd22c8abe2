"""Netlink messages as bytes: what was packed is read again, and what is cut short ends quietly."""

import errno
import struct

from hypothesis import given
from hypothesis import strategies as st

from agent import nlmsg
from agent.nlmsg import Message

BODIES = st.binary(max_size=64)
ATTRIBUTES = st.lists(st.tuples(st.integers(0, 0x3FFF), BODIES), max_size=6)


@given(st.lists(st.tuples(st.integers(16, 200), st.integers(0, 0xFFFF), st.integers(1, 1 << 31), BODIES), max_size=5))
def test_messages_are_read_as_they_were_packed(packed: list[tuple[int, int, int, bytes]]) -> None:
    stream = b"".join(nlmsg.pack(*each) for each in packed)
    read = [(each.kind, each.flags, each.sequence, bytes(each.body)) for each in nlmsg.messages(memoryview(stream))]
    assert read == packed


@given(ATTRIBUTES)
def test_attributes_are_read_as_they_were_packed(packed: list[tuple[int, bytes]]) -> None:
    stream = b"".join(nlmsg.attribute(kind, value) for kind, value in packed)
    assert [(kind, bytes(value)) for kind, value in nlmsg.pairs(memoryview(stream))] == packed


@given(ATTRIBUTES, st.integers(0, 500))
def test_what_is_cut_short_gives_what_is_whole(packed: list[tuple[int, bytes]], cut: int) -> None:
    stream = b"".join(nlmsg.attribute(kind, value) for kind, value in packed)[:cut]
    read = [(kind, bytes(value)) for kind, value in nlmsg.pairs(memoryview(stream))]
    assert read == packed[: len(read)]


@given(st.binary(max_size=200))
def test_no_bytes_are_an_error(noise: bytes) -> None:
    for message in nlmsg.messages(memoryview(noise)):
        nlmsg.attributes(message.body)
        nlmsg.error(message)


def test_the_flags_of_an_attribute_are_no_part_of_its_number() -> None:
    assert nlmsg.attributes(memoryview(nlmsg.attribute(0x8000 | 52, b"x"))).keys() == {52}


def test_an_answer_names_its_error() -> None:
    refused = Message(nlmsg.ERROR, 0, 1, memoryview(struct.pack("=i", -errno.EPERM)))
    assert nlmsg.error(refused) == errno.EPERM
    assert nlmsg.error(Message(nlmsg.DONE, 0, 1, memoryview(b""))) == 0


def test_numbers_and_texts() -> None:
    found = nlmsg.attributes(memoryview(nlmsg.u32(1, 9001) + nlmsg.attribute(2, b"eth0\0")))
    assert (nlmsg.number(found.get(1)), nlmsg.number(found.get(9), 7)) == (9001, 7)
    assert nlmsg.string(found[2]) == "eth0"
