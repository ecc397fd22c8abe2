import json

import pytest

from agent.diagnostics import digests


def stat(pid: int, name: str, delay: int) -> str:
    return f"{pid} ({name}) S " + " ".join(["0"] * 38) + f" {delay} 0 0\n"


def test_processes_that_waited_longest_come_first_whatever_their_name() -> None:
    stats = {
        "/proc/1/stat": stat(1, "in it) 7 (x", 5),
        "/proc/2/stat": stat(2, "b", 70),
        "/proc/3/stat": stat(3, "c", 0),
    }
    lines = digests.block_io_delays(stats).splitlines()[1:]
    assert [line.split()[0] for line in lines] == ["2", "1"]
    assert lines[1].split()[-1] == "5"
    assert "in it) 7 (x" in lines[1]


def test_a_short_stat_line_is_left_out() -> None:
    assert digests.block_io_delays({"/proc/1/stat": "1 (a) S"}).count("\n") == 1


def test_throttled_control_groups() -> None:
    busy = "usage_usec 9\nnr_throttled 4\nthrottled_usec 70\n"
    text = digests.throttled_cgroups(
        {"/sys/fs/cgroup/a/cpu.stat": busy, "/sys/fs/cgroup/b/cpu.stat": "nr_throttled 0\n"}
    )
    assert text.splitlines()[1].split() == ["4", "70", "/sys/fs/cgroup/a"]
    assert len(text.splitlines()) == 2


def test_no_throttling_is_said_in_the_peers_words() -> None:
    assert digests.throttled_cgroups({}) == "No CPU Throttling Found\n"


def test_joined() -> None:
    assert digests.joined({"a": "1\n", "b": "2\n"}) == "1\n2\n"


def test_the_control_group_that_lost_processes_comes_first() -> None:
    text = digests.memory_of_cgroups({
        "/sys/fs/cgroup/a/memory.current": "100\n",
        "/sys/fs/cgroup/a/memory.events": "low 0\noom 0\noom_kill 0\n",
        "/sys/fs/cgroup/b c/memory.current": "200\n",
        "/sys/fs/cgroup/b c/memory.max": "max\n",
        "/sys/fs/cgroup/b c/memory.events": "oom_kill 3\n",
    })  # fmt: skip
    rows = [line.split(maxsplit=4) for line in text.splitlines()[1:]]
    assert rows == [["3", "200", "-", "max", "/sys/fs/cgroup/b c"], ["0", "100", "-", "-", "/sys/fs/cgroup/a"]]


def test_what_the_doctor_saw_of_the_api_server() -> None:
    checks = [
        {"id": "imds", "status": "ok", "evidence": "i-1", "cause": ""},
        {"id": "tls", "status": "fail", "evidence": "10.0.0.1", "cause": "expired"},
    ]
    text = digests.api_server({"/run/node-agent/doctor.json": json.dumps({"checks": checks})})
    assert text.splitlines()[1:] == ["tls: fail: 10.0.0.1 (expired)"]
    assert digests.api_server({"/x": "no JSON"}).splitlines() == ["as the doctor saw it (/x)"]


@pytest.mark.parametrize(
    "body", [[], None, 5, {"checks": 5}, {"checks": None}, {"checks": ["a", None, [], {"id": []}, {"id": {}}]}]
)
def test_what_the_doctor_saw_may_be_of_any_shape(body: object) -> None:
    assert digests.api_server({"/x": json.dumps(body)}).splitlines() == ["as the doctor saw it (/x)"]


def test_rules_are_counted_wherever_the_output_is_cut() -> None:
    text = b"Chain INPUT (policy ACCEPT)\n pkts bytes target\n   1  2 ACCEPT\n\nChain X\nnum target\n1 DROP\n2 DROP"
    for size in (1, 7, 1000):
        count = digests.RuleCount()
        for start in range(0, len(text), size):
            count.feed(text[start : start + size])
        assert count.text() == b"=======\nTotal Number of Rules: 3\n"
