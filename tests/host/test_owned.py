from dataclasses import replace
from pathlib import Path

import pytest

from agent.host import owned
from agent.model import FileSpec

RECORD = "/etc/node-agent/rendered.json"


def test_what_is_wanted_no_more_goes_and_strangers_stay(tmp_path: Path) -> None:
    one, two = FileSpec("/etc/one", b"1"), FileSpec("/etc/two", b"2")
    assert owned.write_set([one, two], RECORD, root=tmp_path) == {"/etc/one", "/etc/two"}
    (tmp_path / "etc/stranger").write_text("not ours")
    assert owned.write_set([one], RECORD, root=tmp_path) == {"/etc/two"}
    assert owned.write_set([one], RECORD, root=tmp_path) == frozenset()
    assert sorted(path.name for path in (tmp_path / "etc").iterdir()) == ["node-agent", "one", "stranger"]
    assert owned.recorded(RECORD, root=tmp_path) == {"/etc/one"}


def test_a_change_is_due_until_it_is_settled(tmp_path: Path) -> None:
    one, two = FileSpec("/etc/one", b"1"), FileSpec("/etc/two", b"2")
    owned.write_set([one, two], RECORD, root=tmp_path)
    owned.settle(RECORD, root=tmp_path)
    owned.write_set([replace(one, content=b"3")], RECORD, root=tmp_path)
    owned.owe({"/var/state"}, RECORD, root=tmp_path)
    owned.write_set([replace(one, content=b"3")], RECORD, root=tmp_path)
    assert owned.due(RECORD, root=tmp_path) == {"/etc/one", "/etc/two", "/var/state"}
    assert owned.recorded(RECORD, root=tmp_path) == {"/etc/one"}
    owned.settle(RECORD, root=tmp_path)
    assert owned.due(RECORD, root=tmp_path) == frozenset()
    assert owned.recorded(RECORD, root=tmp_path) == {"/etc/one"}


@pytest.mark.parametrize(
    "spoilt",
    [
        "{",
        "{}",
        "[1]",
        "null",
        '"x"',
        "[" * 100_000,
        '{"files": 5}',
        '{"files": [{}, "x", "/a\\u0000"], "due": {"/x": 1}}',
    ],
)
def test_a_record_that_somebody_spoilt_is_as_good_as_none(tmp_path: Path, spoilt: str) -> None:
    (tmp_path / "etc/node-agent").mkdir(parents=True)
    (tmp_path / "etc/node-agent/rendered.json").write_text(spoilt)
    assert owned.due(RECORD, root=tmp_path) == frozenset()
    assert owned.recorded(RECORD, root=tmp_path) == frozenset()
    assert owned.write_set([], RECORD, root=tmp_path) == frozenset()


def test_a_folder_that_a_record_names_is_not_ours_to_remove(tmp_path: Path) -> None:
    (tmp_path / "etc/node-agent").mkdir(parents=True)
    (tmp_path / "etc/node-agent/rendered.json").write_text(
        '{"files": ["/etc/node-agent", "/etc/node-agent/rendered.json/x"]}'
    )
    owned.write_set([], RECORD, root=tmp_path)
    assert (tmp_path / "etc/node-agent").is_dir()
