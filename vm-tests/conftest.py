"""One world and one good node serve many scenarios: a boot costs a minute and a half."""

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from diagnostics_ground import Ground, standing
from world import World, ownership, pki, sts
from world.node import Node
from world.ownership import Home
from world.region import Region

READY_SECONDS = 600.0


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-docs", action="store_true", help="write the headlines seen into docs/broken-nodes.md")
    parser.addoption("--results", type=Path, help="write a table of the scenarios and how each ended to this file")


def pytest_configure(config: pytest.Config) -> None:
    path = config.getoption("--results")
    if path is not None:
        config.pluginmanager.register(Results(path))


class Results:
    """Collects how each scenario ended."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.outcome != "passed":
            place, _, name = report.nodeid.partition("::")
            words = name.removeprefix("test_").replace("_", " ")
            self._rows.append(f"| {Path(place).stem} | {words} | {report.outcome} | {report.duration:.0f} |")

    def pytest_sessionfinish(self) -> None:
        head = "# Results of `make vm-test`\n\n| file | scenario | outcome | s |\n| --- | --- | --- | ---: |\n"
        self._path.write_text(head + "\n".join(self._rows) + "\n")


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    with World() as made:
        yield made


@pytest.fixture(scope="session")
def node(world: World) -> Node:
    """A node that has joined; scenarios leave it as they found it."""
    made = world.launch()
    made.wait_ready(READY_SECONDS)
    return made


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    """What a region of a test's own is made in: processes, namespaces and files that end with it."""
    home = ownership.claim()
    yield home
    ownership.release(home)


@pytest.fixture(scope="module")
def region(home: Home) -> Iterator[Region]:
    """A region without a cluster."""
    with Region(home, pki.authority("public").server("sts", names=[sts.HOST])) as region:
        yield region


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """A cluster without machines."""
    with standing(tmp_path_factory.mktemp("diagnostics")) as made:
        yield made


@pytest.fixture
def daemon(ground: Ground) -> Iterator[Ground]:
    """The diagnostics daemon of a node that is no machine, running; nothing is left behind."""
    ground.start()
    yield ground
    ground.kubectl("delete", "nodediagnostics", "--all")
    for _ in list(ground.running):
        ground.stop()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Put the end of each node's serial port beside a failure: the machine is gone when a person reads it."""
    report = yield
    if report.failed:
        worlds = [value for value in getattr(item, "funcargs", {}).values() if isinstance(value, World)]
        for made in (each for world in worlds for each in world.nodes):
            text = made.console().decode(errors="replace")[-12_000:]
            report.sections.append((f"serial port of {made.instance_id}", text))
    return report
