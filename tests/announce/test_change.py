"""What is announced of a node, and when nothing is."""

from dataclasses import replace

import pytest

from agent.announce import change
from agent.doctor.report import Announced, Check, Episode, Report

NODE = "i-0123456789abcdef0"
NOW = "2026-11-22T15:00:00Z"
NEW = Announced(uid="5f0c")
WELL = Report((Check("ok", "Ready", id="node"),), announced=NEW)
FULL = Report((Check("fail", "/var has 0 MiB free", "", "use a larger volume", id="disk"),), announced=NEW)


def after(report: Report) -> Announced:
    """Return what the Node says once the report was announced."""
    said = change.wanted(report, NODE)
    assert said is not None
    condition = change.patch(said, NOW)["status"]["conditions"][0]
    return Announced("5f0c", *(condition[key] for key in ("status", "reason", "message", "lastTransitionTime")))


def test_the_condition_says_what_the_doctor_says() -> None:
    assert after(FULL) == Announced(
        "5f0c", "False", "DiskFailed", "disk: /var has 0 MiB free -> use a larger volume", NOW
    )
    assert after(WELL).status == "True"


@pytest.mark.parametrize("report", [WELL, FULL])
def test_what_the_node_says_already_is_not_said_again(report: Report) -> None:
    assert change.wanted(replace(report, announced=after(report)), NODE) is None


def test_nothing_is_said_of_a_node_that_was_not_seen_or_is_not_judged_yet() -> None:
    assert change.wanted(replace(FULL, announced=None), NODE) is None
    assert change.wanted(Report((Check("unknown", "waits", id="user-data"),), announced=NEW), NODE) is None


def test_figures_that_move_are_not_said_again() -> None:
    fuller = Report((replace(FULL.checks[0], evidence="/var has 17 MiB free"),), announced=after(FULL))
    assert change.wanted(fuller, NODE) is None


def test_a_status_that_stays_keeps_its_time_and_is_no_news() -> None:
    before = replace(after(FULL), since="2026-11-22T14:00:00Z")
    other = Report((Check("fail", "/run has 1 MiB free", id="disk"),), announced=before)
    said = change.wanted(other, NODE)
    assert said is not None
    assert not said.is_news
    assert change.patch(said, NOW)["status"]["conditions"][0]["lastTransitionTime"] == "2026-11-22T14:00:00Z"


@pytest.mark.parametrize(
    ("report", "before", "news"),
    [
        (WELL, NEW, False),
        (replace(WELL, trouble=Episode("tcp", "tcp: no answer", NOW, NOW)), NEW, True),
        (FULL, NEW, True),
        (FULL, after(WELL), True),
        (WELL, after(FULL), True),
    ],
)
def test_an_event_is_made_of_what_changed_but_not_of_a_node_that_was_always_well(
    report: Report, before: Announced, news: bool
) -> None:
    said = change.wanted(replace(report, announced=before), NODE)
    assert said is not None
    assert said.is_news is news
    assert change.event(said, NOW)["type"] == ("Warning" if report is FULL else "Normal")


def test_a_reason_is_one_word_in_the_api_s_form() -> None:
    report = Report((Check("fail", "missing", id="user-data"),), announced=NEW)
    assert after(report).reason == "UserDataFailed"


def test_an_event_takes_no_more_than_the_api_server_does() -> None:
    report = Report((Check("fail", "ü" * 2000, id="disk"),), announced=NEW)
    assert len(after(report).message.encode()) <= 1024
