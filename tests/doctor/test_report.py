"""The report as programs and people read it."""

import json

from hypothesis import given
from hypothesis import strategies as st

from agent import agent_version
from agent.doctor.report import Check, Episode, Report, as_json, as_line, as_rows, as_text, glimpse, recalled

SIGNED = "https://bucket.s3.amazonaws.com/key?X-Amz-Signature=0123456789abcdef0123456789abcdef"
OK = Check("ok", "answers", id="imds")
FAIL = Check("fail", "10.0.0.5:443 did not answer", "a security group drops it", "allow TCP 443", id="tcp")
SKIPPED = Check("skipped", "", "because tcp failed", id="tls")
WORDS = st.text(st.characters(categories=["L", "N", "P", "Zs"]), max_size=300)


def test_json_has_the_published_shape() -> None:
    assert json.loads(as_json(Report((OK, FAIL, SKIPPED)))) == {
        "schemaVersion": 1,
        "agentVersion": agent_version(),
        "examinedAt": "",
        "healthy": False,
        "failed": True,
        "headline": {
            "id": "tcp",
            "message": "10.0.0.5:443 did not answer; likely cause: a security group drops it",
            "action": "allow TCP 443",
        },
        "since": "",
        "trouble": None,
        "checks": [
            {"id": "imds", "status": "ok", "evidence": "answers", "cause": "", "action": ""},
            {
                "id": "tcp",
                "status": "fail",
                "evidence": "10.0.0.5:443 did not answer",
                "cause": "a security group drops it",
                "action": "allow TCP 443",
            },
            {"id": "tls", "status": "skipped", "evidence": "", "cause": "because tcp failed", "action": ""},
        ],
    }


def test_json_of_a_healthy_node_has_no_headline() -> None:
    body = json.loads(as_json(Report((OK,))))
    assert body["healthy"] is True
    assert body["headline"] is None


def test_text_begins_with_the_first_cause_and_what_to_do() -> None:
    later = Check("fail", "kubelet is failed", "a bad flag", "see its journal", id="kubelet")
    assert as_text(Report((OK, FAIL, SKIPPED, later))) == (
        "FIRST CAUSE: tcp: 10.0.0.5:443 did not answer; likely cause: a security group\n"
        "  drops it\n"
        "DO: allow TCP 443\n"
        "\n"
        "ok    imds             answers\n"
        "FAIL  tcp              10.0.0.5:443 did not answer\n"
        "-     tls              because tcp failed\n"
        "FAIL  kubelet          kubelet is failed\n"
        "                       cause: a bad flag\n"
        "                       do: see its journal\n"
    )


def test_a_failure_stands_before_an_earlier_unknown() -> None:
    report = Report((Check("unknown", "configure waits", id="user-data"), FAIL))
    assert report.headline is not None
    assert report.headline.id == "tcp"


def test_an_unknown_is_not_called_a_cause() -> None:
    text = as_text(Report((OK, Check("unknown", "configure waits", "", "wait", id="user-data"))))
    assert text.startswith("NOT YET KNOWN: user-data: configure waits\nDO: wait\n")


def test_the_line_of_a_healthy_node_says_so() -> None:
    assert as_line(Report((OK,))).startswith("healthy: ")
    assert as_line(Report((OK, FAIL))) == (
        "tcp: 10.0.0.5:443 did not answer; likely cause: a security group drops it -> allow TCP 443"
    )


def test_no_form_tells_a_secret() -> None:
    report = Report((Check("fail", f"PUT {SIGNED} failed", SIGNED, SIGNED, id="tls"),))
    for form in (as_json(report), as_text(report), as_line(report)):
        assert "0123456789abcdef" not in form


@given(WORDS, WORDS, WORDS)
def test_text_keeps_to_80_columns(evidence: str, cause: str, action: str) -> None:
    spaced = [" ".join(text[start : start + 20] for start in range(0, len(text), 20)) for text in (evidence, cause)]
    text = as_text(Report((Check("fail", *spaced, action[:20], id="authentication"),)))
    assert max(map(len, text.splitlines())) <= 80


def test_a_daemon_s_status_line_has_the_headline_and_its_time() -> None:
    at = "2026-11-22T15:00:00Z"
    failing = as_json(Report((OK, FAIL), examined_at=at))
    assert (
        glimpse(failing)
        == f"; doctor at {at}: tcp: 10.0.0.5:443 did not answer; likely cause: a security group drops it"
    )
    assert glimpse(as_json(Report((OK,), examined_at=at))).endswith("this node has joined its cluster and is Ready")


@given(st.none() | st.text() | st.sampled_from(["[]", "{}", '{"headline": 1}', '{"headline": {}}']))
def test_what_is_no_report_adds_nothing_to_a_status_line(published: str | None) -> None:
    assert not glimpse(published)


BEGINNINGS = st.lists(
    st.sampled_from(["token:", "secret=", "--token ", 'auth="', "-----BEGIN PRIVATE KEY-----", "https://u:", '"', "\\"])
    | st.text(max_size=5),
    max_size=5,
).map("".join)


@given(BEGINNINGS, BEGINNINGS, BEGINNINGS)
def test_json_is_json_and_tells_no_secret_whatever_was_seen(evidence: str, cause: str, action: str) -> None:
    text = as_json(Report((Check("fail", f"{evidence}\n{SIGNED}", cause, action, id="kubelet"), OK)))
    body = json.loads(text.encode())
    assert [check["id"] for check in body["checks"]] == ["kubelet", "imds"]
    assert "0123456789abcdef" not in text


def test_what_fails_comes_first_and_the_headline_stays() -> None:
    late = Check("fail", "kubelet is failed", id="kubelet")
    report = Report((OK, Check("warn", "", id="disk"), Check("unknown", "", id="role"), FAIL, SKIPPED, late))
    assert [check.id for check in report.worst_first.checks] == ["tcp", "kubelet", "role", "disk", "imds", "tls"]
    assert report.worst_first.headline == report.headline


@given(st.text())
def test_a_headline_is_one_line_as_systemd_would_take_another_for_an_assignment(evidence: str) -> None:
    report = Report((Check("fail", f"{evidence}\nSTOPPING=1", id="kubelet"),), examined_at="t")
    for said in (as_line(report), glimpse(as_json(report))):
        assert len(said.splitlines()) == 1


def test_what_the_last_look_found_is_recalled() -> None:
    trouble = Episode("tcp", "tcp: no answer", "2026-11-22T14:00:00Z", "2026-11-22T14:30:00Z")
    looked = Report((OK, FAIL), "2026-11-22T15:00:00Z", "2026-11-22T14:30:00Z", trouble)
    glance = Report((Check("ok", "fine", id="imds"), Check("skipped", "", "not asked in this look", id="tcp")))
    assert recalled(glance, as_json(looked)) == looked


def test_what_has_failed_since_the_last_look_takes_the_place_of_what_was() -> None:
    looked = as_json(Report((OK, FAIL, Check("ok", "fine", id="storage"))))
    headlines = []
    for late in ("imds", "storage"):
        found = recalled(Report((Check("fail", "broken by now", id=late),)), looked)
        assert [check.status for check in found.checks if check.id == late] == ["fail"]
        headlines.append(found.headline and found.headline.id)
    assert headlines == ["imds", "tcp"]


@given(
    st.none() | st.text() | st.sampled_from(["[]", '{"checks": 1}', '{"checks": [1, {"id": "tcp", "status": "?"}]}'])
)
def test_where_no_look_can_be_read_the_glance_is_all(published: str | None) -> None:
    assert recalled(Report((FAIL,)), published) == Report((FAIL,))


@given(st.sampled_from([1, [], {"id": 1}]))
def test_a_part_that_cannot_be_read_costs_only_itself(trouble: object) -> None:
    body = {**json.loads(as_json(Report((FAIL,)))), "trouble": trouble}
    assert recalled(Report((OK,)), json.dumps(body)).checks == (FAIL,)


def test_a_secret_that_begins_in_one_check_takes_nothing_of_the_next() -> None:
    key = Check("fail", "it last said: -----BEGIN PRIVATE KEY----- MIIE", "the key is bad", "see it", id="kubelet")
    for text in (as_text(Report((key, OK))), as_rows(Report((key, OK)))):
        assert "MIIE" not in text
        assert text.endswith("ok    imds             answers\n")
        assert "see it" in text
