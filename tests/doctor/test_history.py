"""What is known of earlier looks of the same boot."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from agent.doctor.history import followed
from agent.doctor.report import Check, Episode, Report, as_json, as_line, as_text

START = datetime(2026, 11, 22, 15, 0, tzinfo=UTC)
WELL = Report((Check("ok", "Ready", id="node"),))
LOST = Report((Check("fail", "10.0.0.5:443 did not answer", "", "allow it", id="tcp"),))
AWAY = Report((Check("fail", "401 Unauthorized", "", "create an access entry", id="authentication"),))
WAITING = Report((Check("unknown", "configure has not reported", id="user-data"),))


def looks(*reports: tuple[float, Report]) -> Report:
    """Return the last of the reports, each so many minutes after the start."""
    published: str | None = None
    for minutes, report in reports:
        last = followed(report, published, START + timedelta(minutes=minutes))
        published = as_json(last)
    return last


def test_the_first_look_knows_of_nothing_before() -> None:
    found = looks((0, LOST))
    assert (found.examined_at, found.since, found.trouble) == ("2026-11-22T15:00:00Z", "2026-11-22T15:00:00Z", None)


def test_a_headline_stands_since_it_was_first_seen() -> None:
    found = looks((0, LOST), (5, LOST), (10, LOST))
    assert (found.examined_at, found.since, found.trouble) == ("2026-11-22T15:10:00Z", "2026-11-22T15:00:00Z", None)


def test_a_node_that_joined_late_tells_why() -> None:
    found = looks((0, LOST), (5, LOST), (7, WELL), (12, WELL))
    said = "tcp: 10.0.0.5:443 did not answer -> allow it"
    assert found.trouble == Episode("tcp", said, "2026-11-22T15:00:00Z", "2026-11-22T15:07:00Z")
    assert as_line(found) == (
        "healthy: this node has joined its cluster and is Ready; "
        f"from 2026-11-22T15:00:00Z to 2026-11-22T15:07:00Z it was not: {said}"
    )
    assert as_text(found).splitlines()[:2] == [
        "This node has joined its cluster and is Ready.",
        "Earlier, from 2026-11-22T15:00:00Z to 2026-11-22T15:07:00Z: tcp: 10.0.0.5:443",
    ]


def test_of_more_troubles_the_longest_is_told() -> None:
    found = looks((0, LOST), (20, AWAY), (25, WELL))
    assert found.trouble is not None
    assert found.trouble.id == "tcp"


def test_a_trouble_that_was_not_known_for_a_look_is_told_all_the_same() -> None:
    """A kubelet that is started anew is on its way again: for two minutes its Node is not judged."""
    lost = Report((Check("fail", "not Ready: no CNI", "", "see the journal", id="node"),))
    joining = Report((Check("unknown", "not Ready: no CNI", "", "wait", id="node"),))
    found = looks((0, lost), (10, lost), (20, lost), (21, joining), (22, WELL))
    said = "node: not Ready: no CNI -> see the journal"
    assert found.trouble == Episode("node", said, "2026-11-22T15:00:00Z", "2026-11-22T15:21:00Z")


def test_what_a_boot_waits_for_anyway_is_not_told() -> None:
    assert looks((0, LOST), (1, WELL)).trouble is None
    assert looks((0, WAITING), (30, WELL)).trouble is None


@given(st.text() | st.sampled_from(['{"failed": true, "headline": {}, "since": "2026-11-22"}', "[]", '{"trouble": 1}']))
def test_whatever_was_published_before_does_no_harm(published: str) -> None:
    assert followed(WELL, published, START).examined_at == "2026-11-22T15:00:00Z"
