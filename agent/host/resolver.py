"""Names to addresses. getaddrinfo() knows no time limit: for a daemon with a watchdog, a child process waits for it."""

import json
import os
import socket
from collections.abc import Callable
from typing import Any, NamedTuple

from agent.errors import FailedError, TemporaryError
from agent.host.child import Child

_CHUNK = 1 << 16


class Place(NamedTuple):
    """An address to connect to, as the socket module has it."""

    family: int
    address: tuple[Any, ...]


def resolve(host: str, port: int) -> list[Place]:
    """Return where a host is to be reached, best first; TemporaryError where no server says so."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (UnicodeError, socket.gaierror) as error:
        if isinstance(error, UnicodeError) or error.errno == socket.EAI_NONAME:
            raise FailedError(f"there is no host {host}", hint="check the name") from error
        raise TemporaryError(f"the name {host} does not resolve: {error.strerror}") from error
    return [Place(int(family), where) for family, _, _, _, where in found]


def resolve_apart(host: str, port: int, wait: Callable[[int], bool]) -> list[Place]:
    """Do the same in a child process; `wait` waits until a descriptor can be read, and says whether that came true.

    The caller must have no threads.
    """
    reader, writer = os.pipe2(os.O_CLOEXEC)
    with os.fdopen(reader, "rb", buffering=0) as answers:
        child = Child(lambda _parent: _tell(host, port, writer), keep=writer)
        os.close(writer)
        try:
            answer = _received(answers.fileno(), wait)
        finally:
            child.stop()
    return _understood(host, answer)


def _tell(host: str, port: int, writer: int) -> None:
    try:
        answer: dict[str, Any] = {"places": resolve(host, port)}
    except FailedError as error:
        answer = {"failed": [error.message, error.hint]}
    except TemporaryError as error:
        answer = {"temporary": error.message}
    with os.fdopen(writer, "wb") as out:
        out.write(json.dumps(answer).encode())


def _received(reader: int, wait: Callable[[int], bool]) -> bytes:
    answer = b""
    while wait(reader):
        piece = os.read(reader, _CHUNK)
        if not piece:
            return answer
        answer += piece
    return b""


def _understood(host: str, answer: bytes) -> list[Place]:
    if not answer:
        raise TemporaryError(f"the name {host} does not resolve: no server answers in time")
    body = json.loads(answer)
    if "failed" in body:
        message, hint = body["failed"]
        raise FailedError(message, hint=hint)
    if "temporary" in body:
        raise TemporaryError(body["temporary"])
    return [Place(family, tuple(address)) for family, address in body["places"]]
