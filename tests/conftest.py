"""The guard for pure tests: a module under a room's folder may have no effect while its tests run."""

import contextlib
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A machine that others use too is slow now and then: how long an example takes says nothing about the code.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

EFFECTS = ("open", "os.", "shutil.", "socket.", "subprocess.", "tempfile.")
TESTS = Path(__file__).parent
# Tests of effects: the host layer, the rooms' daemons, what other programs say, the command line, the measures.
FREE = (
    *("host/", "units/", "bench/", "behaviour/", "test_daemon", "test_programs"),
    *("test_main", "test_loop", "test_log", "test_repository"),
)
armed = [False]


def is_import(event: str, arguments: tuple[object, ...]) -> bool:
    """Whether Python itself loads a module, as it does for a codec at its first use."""
    if event == "open":
        return str(arguments[0]).endswith((".pyc", ".py", ".so")) and arguments[1] in {"r", "rb"}
    return event == "os.listdir" and str(arguments[0]) in sys.path_importer_cache


def refuse(event: str, arguments: tuple[object, ...]) -> None:
    if armed[0] and event.startswith(EFFECTS) and not is_import(event, arguments):
        raise AssertionError(f"a plan must not have effects: {event} {arguments!r}")


sys.addaudithook(refuse)


def is_pure(path: Path) -> bool:
    if TESTS not in path.parents:
        return False
    place = path.relative_to(TESTS).as_posix()
    return not any(place.startswith(free) or f"/{free}" in place for free in FREE)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    # The innermost hook: pytest itself may still open files outside it.
    if not is_pure(pyfuncitem.path):
        return (yield)
    handle = getattr(pyfuncitem.obj, "hypothesis", None)
    if handle is None:
        with guarded():
            return (yield)
    # Hypothesis reads sources and its own data around the test: only the test itself is guarded.
    inner = handle.inner_test
    handle.inner_test = guarded()(inner)
    try:
        return (yield)
    finally:
        handle.inner_test = inner


@contextlib.contextmanager
def guarded() -> Generator[None, None, None]:
    armed[0] = True
    try:
        yield
    finally:
        armed[0] = False
