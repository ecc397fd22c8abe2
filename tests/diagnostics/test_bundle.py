import hashlib
import itertools
import json
from collections.abc import Iterable

import pytest

from agent.diagnostics import bundle, manifest
from agent.diagnostics.bundle import Events, Gather, Means
from agent.diagnostics.manifest import About
from agent.errors import FailedError
from agent.outputs import File, Opened, Outcome, Output, Status

ABOUT = About("1.0", "i-1", ("Base",), "2026-11-22T15:00:00Z", "c-1", "u-1", 3)
OUTPUTS = [Output("Base", "a", File(("/a",))), Output("System", "b\udcff", File(("/b",)))]


class Archive:
    """Entries in memory."""

    def __init__(self, size: int = 0) -> None:
        self.size = size
        self.entries: dict[str, bytes] = {}
        self.open = ""

    def begin(self, name: str, modified: float) -> None:
        assert modified
        assert not self.open
        self.entries[name], self.open = b"", name

    def write(self, data: bytes | memoryview) -> None:
        self.entries[self.open] += data

    def end(self) -> None:
        self.open = ""


def gather(output: Output, _limit: int, _seconds: float) -> Events:
    yield Opened(output.path, "/a", 1.0)
    yield memoryview(b"te")
    yield memoryview(b"xt")
    yield Outcome(output.path, "/a", Status.OK)


def failing(output: Output, _limit: int, _seconds: float) -> Events:
    yield Outcome(output.path, "/a", Status.FAILED, error="broke\npassword=hunter2")


def make(
    archive: Archive, source: Gather = gather, *, rooms: Iterable[int] = (), seconds: float = 100
) -> list[Outcome]:
    ticks, left = itertools.count(), itertools.chain(rooms, itertools.repeat(1 << 40))
    means = Means(
        source, lambda: next(ticks), lambda: next(left), lambda: ("2026-11-22T15:01:00Z", 2.0), lambda _: None
    )
    return bundle.make(OUTPUTS, archive, means, ABOUT, seconds=seconds)


def test_outputs_come_in_order_and_the_manifest_last() -> None:
    archive = Archive()
    outcomes = make(archive)
    assert list(archive.entries) == ["a", "b\udcff", "manifest.json"]
    body = json.loads(archive.entries["manifest.json"])
    assert (body["node"], body["captureID"], body["object"]["generation"]) == ("i-1", "c-1", 3)
    assert [row["path"] for row in body["outputs"]] == ["a", "b\\xff"]
    assert manifest.failed(outcomes) == ()


def test_errors_stand_in_a_file_of_their_own_by_collector() -> None:
    archive = Archive()
    outcomes = make(archive, failing)
    assert archive.entries["log-capture-errors.log"].decode().splitlines() == [
        '--- Errors in collector "Base" ---',
        "a: failed: broke\\npassword=<redacted>",
        '--- Errors in collector "System" ---',
        "b\\xff: failed: broke\\npassword=<redacted>",
    ]
    assert manifest.failed(outcomes) == ("a", "b\\xff")


def test_an_absent_output_is_no_error() -> None:
    archive = Archive()

    def nothing(output: Output, _limit: int, _seconds: float) -> Events:
        yield Outcome(output.path, "/a", Status.ABSENT)

    assert manifest.failed(make(archive, nothing)) == ()
    assert list(archive.entries) == ["manifest.json"]


def test_the_manifest_counts_what_was_written_and_hashes_it() -> None:
    archive = Archive()
    make(archive)
    row = json.loads(archive.entries["manifest.json"])["outputs"][0]
    assert (row["category"], row["bytesWritten"]) == ("Base", 4)
    assert row["sha256"] == hashlib.sha256(b"text").hexdigest()


def test_when_the_time_is_over_the_rest_is_skipped_and_the_bundle_is_whole() -> None:
    archive = Archive()
    outcomes = make(archive, seconds=1.5)
    assert [outcome.status for outcome in outcomes] == [Status.OK, Status.SKIPPED]
    assert "time" in outcomes[1].error
    assert "manifest.json" in archive.entries


def test_without_space_there_is_no_bundle_and_the_reason_is_clear() -> None:
    archive = Archive()
    with pytest.raises(FailedError, match="no space for a bundle: 256 MiB are free"):
        make(archive, rooms=[bundle.RESERVE_BYTES] * 2)
    assert archive.entries == {}


def test_when_space_runs_out_what_came_is_kept_and_the_rest_is_skipped() -> None:
    closed = []

    def endless(output: Output, _limit: int, _seconds: float) -> Events:
        try:
            yield Opened(output.path, "/a", 1.0)
            while True:
                yield memoryview(bytes(8 << 20))
        finally:
            closed.append(output.path)

    archive = Archive()
    outcomes = make(archive, endless, rooms=[1 << 40, 1 << 40, 1 << 40, 0, 0])
    assert [outcome.status for outcome in outcomes] == [Status.SKIPPED, Status.SKIPPED]
    assert closed == ["a"]
    assert len(archive.entries["a"]) == outcomes[0].bytes_written == 32 << 20
    assert "no space was left" in outcomes[0].error
    assert "no space was left" in outcomes[1].error
    assert "manifest.json" in archive.entries


def test_space_runs_out_over_many_files_as_in_one() -> None:
    def folder(output: Output, _limit: int, _seconds: float) -> Events:
        for number in range(100):
            yield Opened(f"{output.path}/{number}", "/a", 1.0)
            yield memoryview(bytes(8 << 20))
            yield Outcome(f"{output.path}/{number}", "/a", Status.OK)

    archive = Archive()
    outcomes = make(archive, folder, rooms=[1 << 40, 1 << 40, 1 << 40, 0, 0])
    assert [(outcome.path, outcome.status) for outcome in outcomes[-2:]] == [
        ("a/3", Status.SKIPPED),
        ("b\udcff", Status.SKIPPED),
    ]
    assert sum(map(len, archive.entries.values())) < 40 << 20


def test_a_bundle_has_a_limit_of_its_own() -> None:
    with pytest.raises(FailedError):
        make(Archive(bundle.MOST_BYTES))
