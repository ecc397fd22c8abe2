"""The instance metadata service: IMDSv2 only, absent told apart from unknown, retried within one deadline.

Not for several threads at once. `agent.imdsv2` holds the protocol, `imds_transport` the sockets.
"""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Self, TypeVar
from urllib.parse import urlsplit

from agent import clock, eni, imds_values, imdsv2, loop
from agent.eks_token import Credentials
from agent.errors import AgentError, SettingsError, TemporaryError
from agent.host.dial import Address
from agent.host.imds_transport import Transport
from agent.model import Instance, Unknown

T = TypeVar("T")

BOOT_DEADLINE = 300.0
ENDPOINT_VARIABLE = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
_ADDRESSES = (Address("169.254.169.254", 80), Address("fd00:ec2::254", 80))
_LOCALHOST = ("127.0.0.1", "::1")
_ROLES = "meta-data/iam/security-credentials/"
_ANSWER_WITHIN = 5.0
# One pass over the interfaces: a key that hangs must not hold up the others.
_PASS_WITHIN = 10.0
_PASS_ANSWER_WITHIN = 2.0


@dataclass(slots=True)
class Counters:
    """What the client did so far, for people who look for the cause of a delay."""

    attempts: int = 0
    requests: int = 0
    failures: int = 0
    statuses: dict[int, int] = field(default_factory=dict)
    last_latency: float = 0.0


class Imds:
    """A client of the metadata service; paths are those below `latest/`."""

    def __init__(self, addresses: Sequence[Address], *, deadline: float = BOOT_DEADLINE) -> None:
        self.counters = Counters()
        self._deadline = deadline
        self._transport = Transport(addresses)
        self._session = imdsv2.Session(time.monotonic)
        self._told: tuple[str | None, float] = (None, 0.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the client can go on being used."""
        self._transport.close()

    @property
    def clock_ahead(self) -> timedelta | None:
        """Return how far the node's clock was ahead of the service's at its last answer; None where it told no time."""
        date, now = self._told
        return clock.ahead(date, datetime.fromtimestamp(now, UTC))

    def while_waiting(self, call: Callable[[], object]) -> None:
        """Have this called again and again while an answer is waited for: there may be other things to do."""
        self._transport.meanwhile = call

    def get(self, path: str, *, within: float | None = None) -> str | None:
        """Return a value, or None where it is absent; TemporaryError where it is still unknown at the deadline."""
        body = self.get_bytes(path, within=within)
        return None if body is None else imdsv2.text(path, body)

    def get_bytes(self, path: str, *, within: float | None = None) -> bytes | None:
        """Return a body as it is, or None where it is absent."""
        return self._retried(lambda until: self._read(path, until), within)

    def user_data(self, *, within: float | None = None) -> bytes | None:
        """Return the user data, or None where the instance has none."""
        return self.get_bytes("user-data", within=within)

    def instance(self, *, within: float | None = None) -> Instance:
        """Return who this instance is."""
        return self._retried(self._instance, within)

    def credentials(self, *, within: float | None = None) -> Credentials | None:
        """Return the instance role's credentials, or None where it has no role; IMDS rotates them itself."""
        return self._retried(self._credentials, within)

    def lookup(self, *, within: float = _PASS_WITHIN) -> eni.Lookup:
        """Return what reads each path once: what cannot be read now is `Unknown`, and nothing is asked for twice."""
        until = time.monotonic() + within

        def look(path: str) -> str | Unknown | None:
            if time.monotonic() >= until:
                return Unknown(f"IMDS was too slow: no time was left for {path}")
            try:
                body = self._read(path, min(until, time.monotonic() + _PASS_ANSWER_WITHIN))
                return None if body is None else imdsv2.text(path, body)
            except AgentError as error:
                return Unknown(error.message)

        return look

    def _instance(self, until: float) -> Instance:
        document = self._read("dynamic/instance-identity/document", until)
        domain = self._read_text("meta-data/services/domain", until)
        if document is None or domain is None:
            raise TemporaryError("IMDS does not know the instance's identity yet", hint="nothing to do if it passes")
        return imds_values.instance(
            document,
            local_ipv4=self._read_text("meta-data/local-ipv4", until),
            ipv6=self._read_text("meta-data/ipv6", until),
            domain=domain,
        )

    def _credentials(self, until: float) -> Credentials | None:
        listing = self._read_text(_ROLES, until)
        if not listing:
            return None
        role = imds_values.role(listing)
        document = self._read(_ROLES + role, until)
        if document is None:
            raise TemporaryError(
                f"IMDS lists the role {role} but has no credentials of it", hint="it may take a moment"
            )
        return imds_values.credentials(document, role)

    def _retried(self, call: Callable[[float], T], within: float | None) -> T:
        seconds = self._deadline if within is None else within
        until = time.monotonic() + seconds

        def attempt() -> T:
            self.counters.attempts += 1
            return call(until)

        return loop.retry(attempt, within=seconds)

    def _read_text(self, path: str, until: float) -> str | None:
        body = self._read(path, until)
        return None if body is None else imdsv2.text(path, body)

    def _read(self, path: str, until: float) -> bytes | None:
        """Read once: the token's requests and, after a 401, one repetition."""
        flow = self._session.read(path)
        try:
            request = next(flow)
            while True:
                try:
                    answer = self._send(request, until)
                except TemporaryError as error:
                    request = flow.throw(error)
                else:
                    request = flow.send(answer)
        except StopIteration as end:
            body: bytes | None = end.value
            return body

    def _send(self, request: imdsv2.Request, until: float) -> imdsv2.Answer:
        started = time.monotonic()
        within = min(_ANSWER_WITHIN, max(0.1, until - started))
        self.counters.requests += 1
        try:
            answer = self._transport.send(request, within=within)
        except TemporaryError:
            self.counters.failures += 1
            raise
        self.counters.statuses[answer.status] = self.counters.statuses.get(answer.status, 0) + 1
        self.counters.last_latency = time.monotonic() - started
        self._told = (answer.headers.get("date"), time.time())
        return answer


def connect(url: str | None = None, *, deadline: float = BOOT_DEADLINE) -> Imds:
    """Return a client of the service at `url`, else at $AWS_EC2_METADATA_SERVICE_ENDPOINT, else at EC2's addresses.

    Nothing is sent before the first read. `deadline` is how many seconds a read may take, retries and all.
    """
    chosen = url or os.environ.get(ENDPOINT_VARIABLE)
    return Imds(_addresses(chosen) if chosen else _ADDRESSES, deadline=deadline)


def _addresses(url: str) -> Sequence[Address]:
    try:
        return _parsed(url)
    except ValueError as error:
        hint = "give http:// and an IP address, such as http://[::1]:1338"
        raise SettingsError(f"{url!r} is no address of a metadata service", hint=hint) from error


def _parsed(url: str) -> Sequence[Address]:
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.path.strip("/") or parts.query or parts.username:
        raise ValueError(url)
    hosts = _LOCALHOST if parts.hostname == "localhost" else (str(ip_address(parts.hostname or "")),)
    return [Address(host, parts.port or 80) for host in hosts]
