import contextlib
import os
import select
from pathlib import Path

import pytest

from agent.errors import FailedError, TemporaryError
from agent.host.resolver import resolve, resolve_apart


def children() -> str:
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text()


def wait(reader: int) -> bool:
    return bool(select.select([reader], [], [], 20)[0])


def test_a_child_says_what_this_process_would() -> None:
    found = resolve_apart("localhost", 443, wait)
    assert found == resolve("localhost", 443)
    assert ("127.0.0.1", 443) in [place.address for place in found]
    assert children() == ""


@pytest.mark.parametrize("host", ["a..b", "b" * 64 + ".example.com"])
def test_what_is_no_name(host: str) -> None:
    for ask in (lambda: resolve(host, 443), lambda: resolve_apart(host, 443, wait)):
        with pytest.raises(FailedError, match="there is no host"):
            ask()


def test_a_lookup_that_takes_too_long_is_given_up() -> None:
    with pytest.raises(TemporaryError, match="no server answers in time"):
        resolve_apart("localhost", 443, lambda _reader: False)
    assert children() == ""


def test_a_wait_that_is_ended_ends_the_lookup() -> None:
    def stop(_reader: int) -> bool:
        raise KeyboardInterrupt

    with contextlib.suppress(KeyboardInterrupt):
        resolve_apart("localhost", 443, stop)
    assert children() == ""
