"""ENIs: attach, drift, detach and restart, by the kernel's own news; what the daemon costs while nothing happens."""

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bench.kernel_clock import KernelClock
from bench.measure import percentiles
from network.behaviour.card import Card
from network.behaviour.ground import Daemon, Ground, ground, key, running
from network.behaviour.news import Event

from world.metadata import Fault

PRIMARY = Card(0, prefixes4=1)
ROUNDS = 60
IDLE_SECONDS = 60.0
NEVER = Fault(visible_after=float("inf"))
TICK = os.sysconf("SC_CLK_TCK")
Rows = dict[str, object]


def rows() -> Rows:
    """Measure everything; each figure is also told as soon as it is there, as all of them take minutes."""
    measures = {
        "attach, ms": attach,
        "cold, ms": cold,
        "drift until repaired, ms": drift,
        "detach until no residue, ms": detach,
        "idle": idle,
        "60 ENIs and 250 rules of pods": scale,
    }
    found: Rows = {}
    for name, measure in measures.items():
        found[name] = measure()
        print(f"bench: {name}: {found[name]}", file=sys.stderr, flush=True)
    return found


@contextlib.contextmanager
def node(*cards: Card) -> Iterator[tuple[Ground, KernelClock]]:
    """A node that has these ENIs beside the primary, and its clock."""
    with tempfile.TemporaryDirectory() as folder, ground(Path(folder), PRIMARY, *cards) as made:
        clock = KernelClock(made.name)
        try:
            yield made, clock
        finally:
            clock.close()


def attach() -> Rows:
    """Time from the answer that completes an ENI's metadata, and from IMDS having it, to the last of its rules."""
    with node(Card(1)) as (made, clock), running(made):
        made.wait_for(Card(1))
        samples = [one_attach(made, clock, Card(number, prefixes4=1)) for number in range(2, 2 + ROUNDS)]
        at_once = [attach_at_once(made, clock, Card(number, prefixes4=1)) for number in range(2, 2 + ROUNDS)]
    return {
        "completing read to usable": percentiles([read for read, _ in samples]),
        "IMDS serving to usable": percentiles([served for _, served in samples]),
        "link, IMDS having all, to usable": percentiles(at_once),
    }


def one_attach(made: Ground, clock: KernelClock, card: Card) -> tuple[float, float]:
    """Attach an ENI whose device number is late; the time since it was read, and since it could be."""
    number = key(card, "device-number")
    made.metadata.fault(number, NEVER)
    made.attach(card)
    made.wait_for_reads(card.folder, 3)
    clock.forget()
    made.metadata.heal()
    served = time.monotonic()
    usable = when_usable(clock, card)
    paths = [request for request in made.metadata.requests if request.path == f"/latest/{number}"]
    read = next(request.at for request in reversed(paths) if request.status == 200 and request.at <= usable)
    made.detach(card)
    made.wait_until_gone(card)
    return (usable - read) * 1000, (usable - served) * 1000


def attach_at_once(made: Ground, clock: KernelClock, card: Card) -> float:
    made.metadata.update(card.metadata())
    clock.forget()
    made.plug(card)
    usable = when_usable(clock, card)
    linked = clock.when(lambda event: event.name == "RTM_NEWLINK" and card.mac in event.text)
    made.detach(card)
    made.wait_until_gone(card)
    return (usable - linked) * 1000


def when_usable(clock: KernelClock, card: Card) -> float:
    """Return when the last of the ENI's rules was there: they are made when everything else is."""
    return clock.when(is_rule_of(card), count=len(card.rules()))


def when_all_usable(clock: KernelClock, cards: Sequence[Card]) -> float:
    needed = sum(len(card.rules()) for card in (PRIMARY, *cards))
    return clock.when(lambda event: any(is_rule_of(card)(event) for card in (PRIMARY, *cards)), count=needed)


def is_rule_of(card: Card, name: str = "RTM_NEWRULE") -> Callable[[Event], bool]:
    marks = (f"'10.{card.place}.", f"'2001:db8:1:{0x100 + card.place:x}:")
    return lambda event: event.name == name and any(mark in event.text for mark in marks)


def cold() -> Rows:
    """Time 15 ENIs with 16 prefixes each on a node that has nothing of them yet."""
    cards = [Card(number, prefixes4=16) for number in range(1, 16)]
    since_start, since_asking = [], []
    for _ in range(5):
        with node(*cards) as (made, clock):
            started = time.monotonic()
            with running(made):
                done = when_all_usable(clock, cards)
                since_start.append((done - started) * 1000)
                since_asking.append((done - made.metadata.requests[0].at) * 1000)
                for card in cards:
                    made.assert_complete(card)
    return {"from the process's start": percentiles(since_start), "from the first request": percentiles(since_asking)}


def drift() -> Rows:
    """Time from the kernel's news of a deletion to its news of the repair; each object is harmed once only."""
    cards = [Card(number, prefixes4=4) for number in range(1, 16)]
    with node(*cards) as (made, clock), running(made):
        for card in cards:
            made.wait_for(card)
        prefixes = [(card, prefix) for card in cards for prefix in card.delegated4]
        rules = [repair(made, clock, f"rule del priority 1536 from {p}", "RULE", p) for _, p in prefixes]
        routes = [repair(made, clock, f"route del unreachable {p} table main", "ROUTE", p) for _, p in prefixes]
        addresses = [
            repair(made, clock, f"address del {card.address4}/32 dev eth{card.place}", "ADDR", card.address4)
            for card in cards
        ]
    return {"rule": percentiles(rules), "route": percentiles(routes), "address": percentiles(addresses)}


def repair(made: Ground, clock: KernelClock, harm: str, kind: str, subject: str) -> float:
    mark = f"'{subject.partition('/')[0]}'"
    clock.forget()
    made.batch(harm)
    gone = clock.when(lambda event: event.name == f"RTM_DEL{kind}" and mark in event.text)
    back = clock.when(lambda event: event.name == f"RTM_NEW{kind}" and mark in event.text and event.writer != 0)
    return (back - gone) * 1000


def detach() -> Rows:
    with node(Card(1)) as (made, clock), running(made):
        made.wait_for(Card(1))
        samples = []
        for number in range(2, 12):
            card = Card(number, prefixes4=2, prefixes6=1)
            made.attach(card)
            made.wait_for(card)
            clock.forget()
            made.detach(card)
            made.wait_until_gone(card)
            gone = clock.when(lambda event, card=card: event.name == "RTM_DELLINK" and card.mac in event.text)
            samples.append((clock.last(lambda event: event.removes and event.writer != 0) - gone) * 1000)
    return percentiles(samples)


def idle() -> Rows:
    """What 15 ENIs with 16 prefixes each cost while nothing happens, and what a restart writes."""
    cards = [Card(number, prefixes4=16) for number in range(1, 16)]
    with node(*cards) as (made, clock):
        with running(made) as daemon:
            for card in cards:
                made.wait_for(card)
            made.news.settle()
            found = cost(made, clock, daemon)
        clock.forget()
        with running(made):
            made.wait_for_reads("", 200)
            return {**found, "netlink messages of a restart": len(clock.events())}


def scale() -> Rows:
    """60 ENIs on four cards, and a CNI's rules for 250 pods that are not ours."""
    cards = [Card(number, card, prefixes4=1) for card in range(4) for number in range(1, 16)]
    with node() as (made, clock):
        pods = [f"198.18.0.{pod}" for pod in range(250)]
        made.batch(*(f"rule add priority 512 to {pod} lookup main" for pod in pods))
        made.batch(*(f"rule add priority 1536 from {pod} lookup 77" for pod in pods))
        for card in cards:
            made.attach(card)
        started = time.monotonic()
        with running(made) as daemon:
            done = when_all_usable(clock, cards)
            for card in cards:
                made.wait_for(card, seconds=60)
            made.news.settle()
            repairs = [
                repair(made, clock, f"rule del priority 1536 from {card.delegated4[0]}", "RULE", card.delegated4[0])
                for card in cards
            ]
            return {
                "all usable from the process's start, ms": round((done - started) * 1000, 1),
                "drift of a rule until repaired, ms": percentiles(repairs),
                **cost(made, clock, daemon),
            }


def cost(made: Ground, clock: KernelClock, daemon: Daemon) -> Rows:
    """Return what the daemon takes in a minute of quiet, and whether it was quiet."""
    clock.forget()
    requests, before, started = len(made.metadata.requests), processor_seconds(daemon.pid), time.monotonic()
    time.sleep(IDLE_SECONDS)
    seconds = time.monotonic() - started
    return {
        "CPU, % of one core": round(100 * (processor_seconds(daemon.pid) - before) / seconds, 2),
        "PSS, MiB": round(proportional_set(daemon.pid), 1),
        "IMDS requests a second": round((len(made.metadata.requests) - requests) / seconds, 2),
        "netlink messages": len(clock.events()),
    }


def processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def proportional_set(pid: int) -> float:
    line = next(line for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines() if line.startswith("Pss:"))
    return int(line.split()[1]) / 1024
