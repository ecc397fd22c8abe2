"""What `settings check` prints for user data as people and tools write it.

`python tests/configure/test_check.py` writes the outputs anew: then read the diff.
"""

import json
from pathlib import Path

import pytest
from configure.samples import GOLDEN

from agent.configure import checking, report, userdata
from agent.configure.settings import Checked

SECRETS = ("hunter2", "correct-horse", "cHVsbGVyOmhvcnNl", "c2VjcmV0")
FILES = {path.parent.name: path for path in sorted(GOLDEN.glob("*/user-data.*"))}


def checked(path: Path) -> Checked:
    return checking.check(userdata.decode(path.read_bytes(), path.name))


@pytest.fixture(params=FILES)
def printed(request: pytest.FixtureRequest) -> tuple[Checked, str]:
    path = FILES[request.param]
    return checked(path), (path.parent / "check.txt").read_text()


def test_the_output_is_as_it_was(printed: tuple[Checked, str]) -> None:
    found, before = printed
    assert report.as_text(found) == before
    assert found.settings is not None
    assert json.loads(report.as_json(found))["ok"] is True


def test_no_secret_is_printed(printed: tuple[Checked, str]) -> None:
    found, _ = printed
    text = report.as_text(found) + report.as_json(found)
    assert not [secret for secret in SECRETS if secret in text]


def test_there_are_enough_of_them() -> None:
    assert len(FILES) >= 12


if __name__ == "__main__":
    for each in FILES.values():
        (each.parent / "check.txt").write_text(report.as_text(checked(each)))
