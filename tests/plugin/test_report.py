"""How results and summaries read."""

import json
from dataclasses import replace

from kubectl_node_diagnostic import report
from kubectl_node_diagnostic.model import Result
from kubectl_node_diagnostic.summary import Cause, Doctor, Row, Summary

NODE = "i-0123456789abcdef0"
ROWS = tuple(Row(f"path/{number}", "failed", "exit status 1", 0, 0.1, 0) for number in range(12))
SUMMARY = Summary(
    node=NODE,
    agent="0.1.0",
    rows=(*ROWS, Row("big.log", "ok", "", 3 << 20, 0.2, 1)),
    doctor=Doctor(
        healthy=False,
        headline=Cause("metadata", "IMDS refuses", "allow IMDSv2"),
        others=(Cause("disk", "91 % full", ""),),
    ),
    entries=13,
    size=5000,
)


def test_a_bundle_is_told_with_its_failed_rows_and_the_first_cause() -> None:
    result = Result(NODE, "SuccessWithErrors", place="s3://b/k.tar.gz", size=2048, summary=SUMMARY)
    lines = report.brief(result).splitlines()
    assert lines[0] == f"PART {NODE}  SuccessWithErrors, 2.0 KiB -> s3://b/k.tar.gz"
    assert lines[1:3] == ["  doctor: metadata: IMDS refuses", "    do: allow IMDSv2"]
    assert lines[4] == "    path/0  failed     exit status 1"
    assert lines[-1] == "    and 2 more"
    assert "disk" not in report.brief(result)


def test_a_problem_and_its_cure_stand_under_the_node() -> None:
    result = Result(NODE).failed("no agent answers", "kubectl describe node " + "x" * 100)
    assert report.brief(result).splitlines() == [
        f"FAIL {NODE}  no bundle",
        "  no agent answers",
        "  do: kubectl describe node " + "x" * 100,
    ]


def test_a_second_problem_keeps_the_first_cure() -> None:
    assert Result(NODE).failed("a", "b").failed("c", "d") == Result(NODE, problem="a; c", hint="b")


def test_the_whole_summary() -> None:
    text = report.whole(SUMMARY)
    assert f"node        {NODE}\n" in text
    assert "outputs     12 failed, 1 ok\n" in text
    assert "redacted    1 secrets\n" in text
    assert "also: disk: 91 % full" in text
    assert "largest:\n  big.log  ok         3.0 MiB\n" in text
    healthy = replace(SUMMARY, doctor=Doctor(healthy=True, headline=None, others=()))
    assert "doctor: healthy" in report.whole(healthy)


def test_programs_get_the_same() -> None:
    result = Result(NODE, "Success", "done", "here.tar.gz", 10, "ab", summary=SUMMARY)
    (node,) = json.loads(report.as_json([result]))["nodes"]
    assert (node["node"], node["bytes"], node["problem"]) == (NODE, 10, None)
    assert len(node["summary"]["failed"]) == 12
    assert node["summary"]["doctor"]["headline"]["id"] == "metadata"


def test_no_signed_query_is_ever_printed() -> None:
    secret = "0123456789abcdef0123"
    signed = f"https://b.s3.us-west-2.amazonaws.com/k?X-Amz-Signature={secret}"
    result = Result(NODE, message=signed).failed(f"cannot put to {signed}", "")
    assert secret not in report.brief(result) + report.as_json([result])


def test_amounts() -> None:
    assert [report.amount(size) for size in (0, 1023, 1024, 150 << 20, 3 << 40, 5000 << 40)] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "150 MiB",
        "3.0 TiB",
        "5000 TiB",
    ]
