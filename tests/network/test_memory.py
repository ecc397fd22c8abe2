"""What IMDS tells over time: more counts at once, less when it was said twice, an unknown never."""

from dataclasses import fields, replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from network.values import PRIMARY, SECONDARY, SECONDARY_MAC

from agent.eni import Eni, unread
from agent.model import Unknown
from agent.network.memory import Memory, begin, has_address, learn, settled

LATE = Unknown("late")
ANOTHER = IPv4Network("10.1.2.0/28")


def told(*readings: tuple[float, Eni]) -> Memory:
    memory = begin(unread(SECONDARY_MAC, "not yet"), 0.0)
    for now, reading in readings:
        memory = learn(memory, reading, now)
    return memory


def test_the_first_reading_is_believed_and_not_firm() -> None:
    assert told((0.0, SECONDARY)).eni == SECONDARY
    assert not told((0.0, SECONDARY)).firm
    assert told((0.0, SECONDARY), (1.0, SECONDARY)).firm
    assert not told((0.0, SECONDARY), (0.9, SECONDARY)).firm


def test_a_new_prefix_counts_at_once_and_an_old_one_goes_when_that_is_said_twice() -> None:
    changed = replace(SECONDARY, ipv4_prefixes=(ANOTHER,))
    once = told((0.0, SECONDARY), (5.0, changed))
    assert once.eni.ipv4_prefixes == (*(SECONDARY.ipv4_prefixes or ()), ANOTHER)
    assert once.wavering
    assert learn(once, changed, 5.5).eni.ipv4_prefixes == once.eni.ipv4_prefixes
    assert learn(once, changed, 6.0).eni.ipv4_prefixes == (ANOTHER,)
    assert learn(learn(once, SECONDARY, 6.0), SECONDARY, 7.0).eni == SECONDARY


@pytest.mark.parametrize("name", ["ipv4s", "ipv6s", "ipv4_prefixes", "ipv6_prefixes"])
def test_an_absence_takes_away_when_it_is_said_twice(name: str) -> None:
    absent = replace(SECONDARY, **{name: None})
    once = told((0.0, SECONDARY), (5.0, absent))
    assert getattr(once.eni, name) == getattr(SECONDARY, name)
    assert getattr(learn(once, absent, 6.1).eni, name) is None


@given(
    lost=st.sets(st.sampled_from([each.name for each in fields(Eni) if each.name != "mac"])),
    times=st.lists(st.floats(0.1, 100.0), max_size=5),
)
def test_an_unknown_takes_nothing_away_ever(lost: set[str], times: list[float]) -> None:
    memory, now = told((0.0, SECONDARY), (1.0, SECONDARY)), 1.0
    for pause in times:
        now += pause
        memory = learn(memory, replace(SECONDARY, **dict.fromkeys(lost, LATE)), now)
        assert memory.eni == SECONDARY
        assert memory.firm


def test_the_reason_of_what_was_never_known_is_the_last() -> None:
    first, then = (replace(SECONDARY, device_number=Unknown(reason)) for reason in ("slow", "not listed"))
    assert told((0.0, first), (1.0, then)).eni.device_number == Unknown("not listed")


def test_another_first_address_waits_for_the_second_opinion() -> None:
    other = replace(SECONDARY, ipv4s=(IPv4Address("10.1.0.77"),))
    once = told((0.0, SECONDARY), (5.0, other))
    assert once.eni.ipv4s == SECONDARY.ipv4s
    assert learn(once, other, 6.0).eni.ipv4s == other.ipv4s


def test_a_device_number_of_0_was_none() -> None:
    assert told((0.0, replace(SECONDARY, device_number=0)), (0.1, SECONDARY)).eni.device_number == 2
    assert told((0.0, SECONDARY), (0.1, replace(SECONDARY, device_number=5))).eni.device_number == 2


@pytest.mark.parametrize(
    "regress",
    [
        {"device_number": 0},
        {"device_number": 0, "network_card": LATE},
        {"network_card": None},
        {"subnet_ipv4_cidr": None},
    ],
)
def test_what_an_attached_eni_cannot_lose_is_unknown_however_often_it_is_told(regress: dict[str, Any]) -> None:
    lost = replace(SECONDARY, **regress)
    memory = told((0.0, SECONDARY), (1.0, SECONDARY), (5.0, lost), (7.0, lost), (600.0, lost))
    assert memory.eni == SECONDARY
    assert memory.trouble is not None
    again = learn(learn(begin(SECONDARY, 0.0), lost, 50.0), lost, 52.0)
    assert again.eni == SECONDARY
    assert not again.firm


def test_on_another_card_0_is_a_number() -> None:
    other, moved = (replace(SECONDARY, network_card=1, device_number=number) for number in (2, 0))
    assert told((0.0, other), (5.0, moved), (6.0, moved)).eni.device_number == 0


def test_a_restart_needs_one_reading_to_be_firm() -> None:
    assert learn(begin(SECONDARY, 0.0), SECONDARY, 50.0).firm
    assert not learn(begin(SECONDARY, 0.0), replace(SECONDARY, ipv4_prefixes=None), 50.0).firm


CARDLESS = replace(SECONDARY, network_card=None)


@pytest.mark.parametrize(
    ("others", "now", "known"),
    [
        ([], 3.9, False),
        ([], 4.0, True),
        ([begin(PRIMARY, 0.0)], 11.9, False),
        ([begin(PRIMARY, 0.0)], 12.0, True),
        ([begin(replace(PRIMARY, network_card=None), -4.0)], 0.1, True),
        ([begin(replace(PRIMARY, network_card=None), 0.0)], 0.1, False),
    ],
    ids=["early", "late", "another has it", "late though another has it", "the instance has none", "nobody is sure"],
)
def test_a_missing_network_card_may_be_late(others: list[Memory], now: float, *, known: bool) -> None:
    found = settled(begin(CARDLESS, 0.0), others, now).network_card
    assert (found is None) is known


def test_an_absence_that_was_acted_upon_stays_one() -> None:
    used = begin(CARDLESS, 0.0, cardless=True)
    assert settled(used, [begin(PRIMARY, 0.0)], 0.1).network_card is None
    assert settled(learn(used, CARDLESS, 5.0), [begin(PRIMARY, 0.0)], 5.0).network_card is None
    assert learn(used, SECONDARY, 5.0).eni.network_card == 0


def test_an_address_may_be_late_too() -> None:
    bare = begin(replace(SECONDARY, ipv4s=None, ipv6s=None), 0.0)
    assert not has_address(bare, 4.9)
    assert has_address(bare, 5.0)
    assert has_address(begin(SECONDARY, 0.0), 0.0)
