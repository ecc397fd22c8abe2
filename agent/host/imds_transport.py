"""HTTP to the metadata service: one kept connection, no proxy, no redirect, bounded answers."""

import contextlib
import select
import socket
import time
from collections.abc import Callable, Sequence

from agent.errors import TemporaryError
from agent.host.dial import PATIENCE, Address, Race
from agent.http_answer import BrokenAnswerError, Incoming
from agent.imdsv2 import TOKEN_PATH, Answer, Request

_CHUNK = 1 << 16
_HOP_LIMIT_HINT = (
    "the hop limit of the instance's metadata options may be too low for this network namespace: run on the host's "
    "network, or aws ec2 modify-instance-metadata-options --http-put-response-hop-limit 2"
)
_UNREACHABLE_HINT = "see whether the primary interface is up and has a route to it"


class Transport:
    """Sends requests to the address of the service that answered last, and to the others where it does not."""

    def __init__(self, addresses: Sequence[Address]) -> None:
        self._addresses = list(addresses)  # the last winner first
        self._kept: socket.socket | None = None
        self.meanwhile: Callable[[], object] = lambda: None

    def send(self, request: Request, *, within: float) -> Answer:
        """Return the answer, or raise TemporaryError where there is none `within` so many seconds."""
        answer = self._send_on_kept(request, within)
        return self._send_anew(request, within) if answer is None else answer

    def close(self) -> None:
        """Close the kept connection; the next request makes a new one."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def _send_on_kept(self, request: Request, within: float) -> Answer | None:
        """Use the kept connection; None where there is none, or the service has closed it meanwhile."""
        if self._kept is None:
            return None
        connection, self._kept = self._kept, None
        address = self._addresses[0]
        try:
            # Far smaller than an empty send buffer: it goes whole or not at all.
            connection.send(request.encode(str(address)))
            return self._receive(connection, address, within)
        except TimeoutError as error:
            raise _silent(request, [f"{address}: no answer within {within:.3g} s"]) from error
        except (OSError, BrokenAnswerError):
            return None
        finally:
            if self._kept is not connection:
                connection.close()

    def _send_anew(self, request: Request, within: float) -> Answer:
        race = Race(self._addresses, lambda address: request.encode(str(address)), within, self.meanwhile)
        unsettled: Answer | None = None
        with contextlib.closing(race.answering()) as answering:
            for address, connection in answering:
                try:
                    answer = self._receive(connection, address, within)
                except (OSError, BrokenAnswerError) as error:
                    race.failures.append(f"{address}: {str(error) or type(error).__name__}")
                    continue
                finally:
                    if self._kept is not connection:
                        connection.close()
                if answer.settles:
                    return answer
                unsettled = unsettled or answer
        if unsettled is not None:
            return unsettled
        raise _silent(request, race.failures) if race.silent else _unreachable(race.failures)

    def _receive(self, connection: socket.socket, address: Address, within: float) -> Answer:
        """Read one answer, and keep the connection where both sides can use it again."""
        incoming, deadline = Incoming(), time.monotonic() + within
        answer = None
        while answer is None:
            if select.select([connection], [], [], min(PATIENCE, within))[0]:
                answer = incoming.feed(connection.recv(_CHUNK))
            else:
                self.meanwhile()
            if answer is None and time.monotonic() >= deadline:
                raise TimeoutError
        if answer.settles:
            self._addresses.sort(key=lambda each: each != address)
            self._kept = connection if incoming.reusable else None
        return answer


def _silent(request: Request, failures: Sequence[str]) -> TemporaryError:
    is_token = request.path == TOKEN_PATH
    return TemporaryError(
        f"IMDS takes connections but does not answer {request.method} {request.path} ({'; '.join(failures)})",
        hint=_HOP_LIMIT_HINT if is_token else "nothing to do if it passes",
    )


def _unreachable(failures: Sequence[str]) -> TemporaryError:
    return TemporaryError(f"IMDS cannot be reached ({'; '.join(failures)})", hint=_UNREACHABLE_HINT)
