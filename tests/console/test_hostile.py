"""A cycle of the worst host there is keeps to its budget, and is read back."""

import functools
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.console.budget import CYCLE_BYTES
from agent.console.decode import newest
from agent.console.frame import Header
from agent.console.sections import compose, log, table

KEPT_BY_EC2 = 65_536
HEADER = Header(7, "2026-11-22T15:00:00Z", "0.1.0", "tcp: no answer")
KERNEL = b"[  123.456789] nvme nvme0: I/O tag 12 timeout, completion polled\r\n"


def arriving(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode()


@functools.cache
def flood() -> bytes:
    """A cycle of 10,000 processes with 4 KB command lines, 50 MB of journal, binary garbage and 300 links."""
    noise = random.Random(7)
    garbage = noise.randbytes(5 << 20).decode("latin-1")
    processes = "".join(f"{pid:>7} 1 root S 0.0 0.0 {noise.randbytes(3072).hex()[:4096]}\n" for pid in range(10_000))
    sections = [
        table("doctor", "FAIL  tcp  no answer\n" * 22, weight=4),
        log("kubelet", garbage * 10, weight=3),
        log("containerd", garbage, weight=2),
        table("interfaces", "".join(f"eth{number} UP 10.0.0.{number % 250}/24\n" for number in range(300))),
        table("cpu", processes, weight=2, columns=160),
    ]
    return arriving(compose(HEADER, sections, line_end=2))


def test_a_flood_keeps_to_the_budget_and_is_read_back() -> None:
    assert CYCLE_BYTES - 1000 < len(flood()) <= CYCLE_BYTES
    found = newest(flood())
    assert found is not None
    assert not found.missing
    assert found.section("doctor").count("FAIL") == 22


def test_it_is_whole_after_16_kib_of_the_kernels_lines() -> None:
    lines = KERNEL * ((16 << 10) // len(KERNEL))
    found = newest((b"older lines\r\n" * 5000 + flood() + lines)[-KEPT_BY_EC2:])
    assert found is not None
    assert (found.missing, found.headline) == ("", "tcp: no answer")


@given(st.integers(0, 48_000), st.integers(0, 10_000))
@settings(deadline=None, max_examples=30)
def test_wherever_its_head_is_cut_off_the_headline_is_read(lost: int, at: int) -> None:
    """The kernel's lines get in between ours, too: each as a whole, as both write whole lines."""
    place = flood().index(b"\r\n", at) + 2
    raw = flood()[:place] + KERNEL * 20 + flood()[place:]
    found = newest(raw[lost:])
    assert found is not None
    assert found.headline == "tcp: no answer"
    assert bool(found.missing) == (lost > raw.index(b"NODE-AGENT::BEGIN"))
