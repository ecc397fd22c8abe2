"""Sending something until it has arrived, its server has refused it, or its URL has ended."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from agent import loop
from agent.diagnostics import destination
from agent.diagnostics.answer import Lifetime, Next, Verdict
from agent.diagnostics.report import cause
from agent.errors import AgentError, TemporaryError
from agent.loop import Backoff

_BACKOFF = Backoff(first=1.0, cap=30.0)


@dataclass(frozen=True, slots=True)
class Route:
    """To whom it goes, and what of it must be in no text."""

    host: str
    secrets: Iterable[str] = field(repr=False)
    lifetime: Lifetime


@dataclass(frozen=True, slots=True)
class Delivered:
    """How it ended: `problem` is empty where it has arrived, else it says why not, ready for a status."""

    attempts: int
    problem: Mapping[str, object]


def deliver(
    send: Callable[[], Verdict], route: Route, wait: Callable[[float], object], say: Callable[[str], None]
) -> Delivered:
    """Send until an answer is final; `say` hears why it is tried again."""
    attempts = 0

    def once() -> Verdict:
        nonlocal attempts
        attempts += 1
        try:
            return _sent(send, route)
        except TemporaryError as error:
            say(destination.scrub(error.message, route.secrets))
            raise

    lifetime = route.lifetime
    try:
        verdict = loop.retry(once, within=lifetime.left(), backoff=_BACKOFF, wait=wait, clock=lifetime.now)
    except AgentError as error:
        expires = f"{lifetime.expires:%Y-%m-%dT%H:%M:%SZ}" if lifetime.expires else ""
        late = {"expires": expires} if isinstance(error, TemporaryError) else {}
        details = {**cause(error), **late, "clock": lifetime.trouble(), "host": route.host, "attempts": attempts}
        return Delivered(attempts, details)
    return Delivered(attempts, {} if verdict.next is Next.DONE else _refusal(verdict, route))


def _sent(send: Callable[[], Verdict], route: Route) -> Verdict:
    verdict = send()
    route.lifetime.heard(verdict.date)
    if verdict.next is Next.AGAIN:
        said = f"{route.host} answered {verdict.status} {verdict.code} {verdict.message}".rstrip()
        raise TemporaryError(said, retry_after=verdict.retry_after)
    return verdict


def _refusal(verdict: Verdict, route: Route) -> dict[str, object]:
    said = {"status": verdict.status, "code": verdict.code, "s3": verdict.message, "hint": verdict.hint}
    return {**said, "clock": route.lifetime.trouble(), "host": route.host}
