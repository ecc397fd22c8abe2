"""Who changes back what we put right: such an object is repaired seldom, and said to be fought over."""

from collections.abc import Mapping
from dataclasses import dataclass, field

# So many repairs of one object within so many seconds are no accident.
REPAIRS, WINDOW = 5, 10.0
# Nobody announces most sysctls: they are looked at every 5 s, so that five repairs of one take 20 s and a little more.
SYSCTL_WINDOW = 30.0
# Then it is repaired this often, until nobody has changed it for a while.
PAUSE, PEACE = 10.0, 25.0


@dataclass(frozen=True, slots=True)
class Fights:
    """When each object was put right of late, and over which there is a fight."""

    repairs: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    fought: frozenset[str] = frozenset()
    last: Mapping[str, object] = field(default_factory=dict)

    def allows(self, subject: str, now: float) -> bool:
        """Whether an object may be put right now."""
        return subject not in self.fought or now - self.repairs[subject][-1] >= PAUSE

    def noted(self, done: Mapping[str, object], now: float) -> "Fights":
        """Return the state after this was done to these objects; only the same done again is a repair."""
        repairs = {subject: times for subject, times in self.repairs.items() if now - times[-1] < PEACE}
        for subject, what in done.items():
            before = repairs.get(subject, ()) if self.last.get(subject) == what else ()
            repairs[subject] = (*before, now)[-REPAIRS:]
        hot = {
            subject
            for subject, times in repairs.items()
            if len(times) == REPAIRS and times[-1] - times[0] <= _window(subject)
        }
        last = {subject: what for subject, what in {**self.last, **done}.items() if subject in repairs}
        return Fights(repairs, frozenset(hot | (self.fought & repairs.keys())), last)


def _window(subject: str) -> float:
    return SYSCTL_WINDOW if subject.startswith("net.") else WINDOW
