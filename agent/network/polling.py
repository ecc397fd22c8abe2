"""When IMDS is asked again: the kernel tells of links, but nothing tells of metadata."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from agent.network.memory import AGREE_AFTER

LISTING = ""
# After a link has appeared its metadata comes within a second as a rule, and was seen to take a minute.
_FIRST = (0.05, 0.1, 0.2)
_LADDER = ((5.0, 0.25), (60.0, 1.0))
_LATE = 5.0
STEADY = 10.0
# Security groups and the blocks of subnet and VPC change rarely. The rest cannot while the ENI is attached, but IMDS
# was seen to be wrong at first: of one that is new all is read again.
DETAILS, FULL = 60.0, 600.0
NEW_FOR = 120.0
KICKED, KICKED_FOR = 1.0, 30.0
# An ENI may send 1024 packets a second to the link-local services, DNS among them; a request and its answer take two or
# three. So many at once, as at a start, and in the second that begins with them, leave a quarter of that to others.
REQUESTS_A_SECOND = 100.0
AT_ONCE = 150


@dataclass(frozen=True, slots=True)
class Turn:
    """When something is asked for next. `since`: from when on it is waited for, None where it is known."""

    due: float
    since: float | None = None
    asked: int = 0


def waiting(turn: Turn | None, now: float) -> Turn:
    """Return the turn of what is waited for, after it was asked for."""
    since = turn.since if turn and turn.since is not None else now
    asked = turn.asked + 1 if turn and turn.since is not None else 0
    return Turn(now + _pause(now - since, asked), since, asked)


def wavering(now: float) -> Turn:
    """Return the turn of what was told differently than before: the second opinion."""
    return Turn(now + AGREE_AFTER + 0.05)


def steady(now: float, jittered: float, *, kicked: bool) -> Turn:
    """Return the turn of what is known; `jittered` is STEADY, changed at random."""
    return Turn(now + (KICKED if kicked else jittered))


@dataclass(frozen=True, slots=True)
class Schedule:
    """The turn of each MAC, and of the listing of all of them under `LISTING`."""

    turns: Mapping[str, Turn] = field(default_factory=lambda: {LISTING: Turn(0.0)})
    kicked_until: float = 0.0
    spent_until: float = 0.0

    def due(self, now: float, first: object = None) -> tuple[str, ...]:
        """Return whose turn it is: who was asked in vain most often comes last, and holds up nobody.

        Of those that were asked as often the listing comes first, then `first`, then who is waited for, then who has
        waited longest: where the budget is too small for all, each is asked in its turn.
        """
        due = {key: turn for key, turn in self.turns.items() if turn.due <= now}

        def place(key: str) -> tuple[object, ...]:
            turn = due[key]
            return (turn.asked, key != LISTING, key != first, turn.since is None, turn.due, key)

        return tuple(sorted(due, key=place))

    def held(self, now: float) -> float:
        """Return for how many seconds nothing is asked for, whoever's turn it is: the budget is spent."""
        return max(0.0, self.spent_until - AT_ONCE / REQUESTS_A_SECOND - now)

    def left(self, now: float) -> float:
        """Return how many seconds there are until the next turn."""
        return max(self.held(now), min(turn.due for turn in self.turns.values()) - now)

    def put(self, key: str, turn: Turn) -> "Schedule":
        return replace(self, turns={**self.turns, key: turn})

    def hurried(self, key: str, now: float) -> "Schedule":
        """Return the schedule in which something is asked for at once, and waited for anew."""
        return self.put(key, Turn(now, now))

    def kicked(self, now: float) -> "Schedule":
        """Return the schedule after somebody has said that metadata changes: all is due, and often for a while.

        What was due before keeps its place: kicks in a row hold up nobody.
        """
        turns = {key: replace(turn, due=min(turn.due, now)) for key, turn in self.turns.items()}
        return replace(self, turns=turns, kicked_until=now + KICKED_FOR)

    def spent(self, requests: int, now: float) -> "Schedule":
        """Return the schedule after so many requests, which the budget of packets has to bear."""
        return replace(self, spent_until=max(self.spent_until, now) + requests / REQUESTS_A_SECOND)

    def of(self, macs: Collection[str]) -> "Schedule":
        """Return the schedule of these MACs alone."""
        return replace(self, turns={key: turn for key, turn in self.turns.items() if key == LISTING or key in macs})


def _pause(age: float, asked: int) -> float:
    if asked < len(_FIRST):
        return _FIRST[asked]
    return next((pause for limit, pause in _LADDER if age < limit), _LATE)
