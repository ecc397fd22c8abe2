import itertools
import json
from collections.abc import Iterator

from agent.diagnostics import bundle, manifest
from agent.diagnostics.bundle import Means
from agent.diagnostics.manifest import About
from agent.outputs import File, Gathered, Outcome, Output, Status

ABOUT = About("1.0", "i-1", ("Base",), "2026-11-22T15:00:00Z", "c-1", "u-1", 3)
OUTPUTS = [Output("Base", "a", File(("/a",))), Output("System", "b\udcff", File(("/b",)))]


class Text:
    """Content in memory that notes when it is given up."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.size = len(text)
        self.discarded = False

    def chunks(self) -> Iterator[bytes]:
        yield self.text

    def discard(self) -> None:
        self.discarded = True


class Archive:
    """Entries in memory."""

    def __init__(self, size: int = 0) -> None:
        self.size = size
        self.entries: dict[str, bytes] = {}

    def add(self, name: str, chunks: Iterator[bytes], *, size: int, modified: float) -> None:
        self.entries[name] = b"".join(chunks)
        assert size == len(self.entries[name])
        assert modified


def make(archive: Archive, *, room: int = 1 << 40, seconds: float = 100, status: Status = Status.OK) -> list[Outcome]:
    content = Text(b"text")

    def gather(output: Output, _limit: int, _seconds: float) -> Iterator[Gathered]:
        found = status is Status.OK
        yield Gathered(Outcome(output.path, "/a", status, error="broke"), content if found else None, 1.0)

    ticks = itertools.count()
    means = Means(gather, lambda: next(ticks), lambda: room, lambda: ("2026-11-22T15:01:00Z", 2.0), lambda _: None)
    outcomes = bundle.make(OUTPUTS, archive, means, ABOUT, seconds=seconds)
    assert content.discarded is (b"text" in archive.entries.values())
    return outcomes


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
    outcomes = make(archive, status=Status.FAILED)
    assert archive.entries["log-capture-errors.log"].decode().splitlines() == [
        '--- Errors in collector "Base" ---',
        "a: failed: broke",
        '--- Errors in collector "System" ---',
        "b\\xff: failed: broke",
    ]
    assert manifest.failed(outcomes) == ("a", "b\\xff")


def test_an_absent_output_is_no_error() -> None:
    archive = Archive()
    assert manifest.failed(make(archive, status=Status.ABSENT)) == ()
    assert list(archive.entries) == ["manifest.json"]


def test_when_the_time_is_over_the_rest_is_skipped_and_the_bundle_is_whole() -> None:
    archive = Archive()
    outcomes = make(archive, seconds=1.5)
    assert [outcome.status for outcome in outcomes] == [Status.OK, Status.SKIPPED]
    assert "time" in outcomes[1].error
    assert "manifest.json" in archive.entries


def test_without_space_nothing_is_collected() -> None:
    for archive, room in ((Archive(), bundle.RESERVE_BYTES), (Archive(bundle.MOST_BYTES), 1 << 40)):
        assert {outcome.status for outcome in make(archive, room=room)} == {Status.SKIPPED}
        assert "manifest.json" in archive.entries
