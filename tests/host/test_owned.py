from pathlib import Path

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


def test_a_record_that_somebody_spoilt_is_as_good_as_none(tmp_path: Path) -> None:
    (tmp_path / "etc/node-agent").mkdir(parents=True)
    (tmp_path / "etc/node-agent/rendered.json").write_text("{")
    assert owned.recorded(RECORD, root=tmp_path) == frozenset()
    assert owned.write_set([], RECORD, root=tmp_path) == frozenset()
