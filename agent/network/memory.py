"""What IMDS has told of an ENI over time: an unknown takes nothing away, and a loss counts when it was told twice."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from agent.eni import Eni
from agent.model import Unknown

# Two readings that agree on a loss lie at least so far apart: IMDS may be between two answers.
AGREE_AFTER = 1.0
# How long the first reading without the key means little (it comes late), and how long where another ENI has it.
CARD_SETTLES = 4.0
CARD_SETTLES_ELSEWHERE = 12.0
# So long an interface without an address may still get one; then it is one for EFA only.
ADDRESS_SETTLES = 5.0
_FIELDS = tuple(each.name for each in fields(Eni))
_ALL = frozenset(_FIELDS)
_ADDRESSES = {"ipv4s", "ipv6s"}
_PREFIXES = {"ipv4_prefixes", "ipv6_prefixes"}
# What the kernel's objects are made of.
_DECISIVE = {*_ADDRESSES, *_PREFIXES, "device_number", "network_card", "subnet_ipv4_cidr", "owner_id"}
# What an attached ENI has it keeps.
_LASTING = ("network_card", "subnet_ipv4_cidr")
_TOLD = ("eni_id", *sorted(_DECISIVE))


@dataclass(frozen=True, slots=True)
class Memory:
    """What is known of one ENI: `eni` is the best of it, `seen` the last reading; times are seconds of one clock.

    `cardless`: the absence of `network-card` was acted upon once, so that only a card's number changes anything.
    """

    eni: Eni
    seen: Eni
    first: float
    since: Mapping[str, float] = field(default_factory=dict)
    agreed: frozenset[str] = frozenset()
    cardless: bool = False

    @property
    def firm(self) -> bool:
        """Whether two readings agreed on all that the kernel's objects are made of."""
        return self.agreed >= _DECISIVE

    @property
    def trouble(self) -> str | None:
        """Return why the last reading was not whole, None where it was as far as it matters."""
        values = (getattr(self.seen, name) for name in _TOLD)
        return next((value.reason for value in values if isinstance(value, Unknown)), None)

    @property
    def is_unread(self) -> bool:
        """Whether IMDS has not been asked for it since it appeared."""
        return self.seen is self.eni and isinstance(self.eni.eni_id, Unknown)

    @property
    def wavering(self) -> bool:
        """Whether the last reading lacks something that is still believed: it should be read again soon."""
        return any(_differs(self, name) for name in _DECISIVE)


def begin(eni: Eni, now: float, *, cardless: bool = False) -> Memory:
    """Return the memory of an ENI as it was told before this process: a reading that says the same agrees with it."""
    return Memory(eni, eni, now, dict.fromkeys(_FIELDS, now), cardless=cardless)


def learn(before: Memory, reading: Eni, now: float) -> Memory:
    """Return what is known after one more reading."""
    reading = _without_regress(before.eni, reading)
    if before.agreed == _ALL and reading == before.seen == before.eni:
        return before  # as nearly always
    since: dict[str, float] = {}
    values: dict[str, Any] = {}
    agreed: set[str] = set()
    for name in _FIELDS:
        old, seen, new = (getattr(each, name) for each in (before.eni, before.seen, reading))
        if isinstance(new, Unknown):
            since[name], values[name] = now, new if isinstance(old, Unknown) else old
            agreed |= before.agreed & {name}
            continue
        since[name] = before.since.get(name, now) if new == seen else now
        is_agreed = now - since[name] >= AGREE_AFTER
        agreed |= {name} if is_agreed else set()
        values[name] = new if is_agreed else _merged(name, old, new)
    return Memory(replace(before.eni, **values), reading, before.first, since, frozenset(agreed), before.cardless)


def _without_regress(known: Eni, reading: Eni) -> Eni:
    """Return the reading with as unknown what cannot have become of an attached ENI: IMDS is between two answers."""
    lost = [name for name in _LASTING if getattr(reading, name) is None and _is_value(getattr(known, name))]
    gone: dict[str, Any] = {name: Unknown(f"IMDS tells {name} of {known.mac} no more") for name in lost}
    # On card 0 it is what IMDS says before it knows the number.
    card = known.network_card if isinstance(reading.network_card, Unknown) else reading.network_card
    if reading.device_number == 0 and _is_value(known.device_number) and known.device_number != 0 and not card:
        gone["device_number"] = Unknown(f"IMDS does not have the device number of {known.mac} any more")
    return replace(reading, **gone) if gone else reading


def _is_value(value: object) -> bool:
    return value is not None and not isinstance(value, Unknown)


def settled(memory: Memory, others: Iterable[Memory], now: float) -> Eni:
    """Return the ENI, with an absent `network-card` as unknown until it is sure that it does not come late."""
    if memory.eni.network_card is not None or memory.cardless or _has_no_card(memory, others, now):
        return memory.eni
    return replace(memory.eni, network_card=Unknown(f"IMDS does not list network-card of {memory.eni.mac} yet"))


def has_address(memory: Memory, now: float) -> bool:
    """Whether it has an address, or is old enough for it to be clear that it gets none."""
    eni = memory.eni
    return (eni.ipv4s, eni.ipv6s) != (None, None) or now - memory.first >= ADDRESS_SETTLES


def _has_no_card(memory: Memory, others: Iterable[Memory], now: float) -> bool:
    """Whether the key will not come: most instance types have one card, and no such key for any of their ENIs."""
    known = list(others)
    if any(isinstance(each.eni.network_card, int) for each in known):
        return now - memory.first >= CARD_SETTLES_ELSEWHERE
    return any(_lacks_card(each, now) for each in (memory, *known))


def _lacks_card(memory: Memory, now: float) -> bool:
    return memory.eni.network_card is None and now - memory.first >= CARD_SETTLES


def _merged(name: str, old: Any, new: Any) -> Any:
    """Return what to believe while a reading stands alone: more at once, less not yet."""
    if old is None or isinstance(old, Unknown):
        return new
    if name in _PREFIXES:
        return (*old, *(each for each in new or () if each not in old))
    if name in _ADDRESSES and new is not None and new[0] == old[0]:
        return (*old, *(each for each in new if each not in old))
    return _UNDECIDED.get(name, _keep)(old, new)


def _keep(old: Any, _new: Any) -> Any:
    return old


def _take(_old: Any, new: Any) -> Any:
    return new


# 0 is what IMDS says of a device number before it knows it: another number replaces it at once.
_UNDECIDED: Mapping[str, Callable[[Any, Any], Any]] = {
    "device_number": lambda old, new: new if old == 0 else old,
    **dict.fromkeys(set(_FIELDS) - _DECISIVE, _take),
}


def _differs(memory: Memory, name: str) -> bool:
    seen = getattr(memory.seen, name)
    return not isinstance(seen, Unknown) and seen != getattr(memory.eni, name)
