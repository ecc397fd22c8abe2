"""What the probes bring, parsed into values; whatever it is, never an exception."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.doctor import parsing
from agent.doctor.evidence import (
    Configured,
    Evidence,
    Identity,
    KernelNews,
    Node,
    PullFailure,
    Secondary,
    Status,
    Taint,
    Trouble,
    Unit,
    Uplink,
)
from agent.model import Verdict

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text() | st.sampled_from(["status", "spec"]), children),
)


def test_the_status_of_configure_gives_its_verdicts() -> None:
    status = {
        "state": "failed",
        "message": "the user data cannot be used",
        "verdicts": [{"path": "settings.x", "level": "error", "message": "is missing", "source": "user data"}, "?"],
    }
    assert parsing.configured(status) == Configured(
        "failed", "the user data cannot be used", (Verdict("settings.x", "error", "is missing", "user data"),)
    )


def test_no_status_of_configure_is_none() -> None:
    assert parsing.configured(None) is None


def test_statuses_are_read_by_name() -> None:
    files = {"network": {"state": "ok", "message": "2 ENIs"}, "storage": {"state": "degraded", "action": "reboot"}}
    assert parsing.statuses(files) == {
        "network": Status("ok", "2 ENIs"),
        "storage": Status("degraded", "", "reboot"),
    }


def test_what_the_daemons_published_is_evidence() -> None:
    now = datetime(2026, 11, 22, 15, 0, tzinfo=UTC)
    seen = parsing.published({"configure": {"state": "ok", "message": "done"}}, now)
    assert seen == Evidence(now, statuses={"configure": Status("ok", "done")}, configured=Configured("ok", "done"))


def test_a_review_tells_the_user() -> None:
    review = {"status": {"userInfo": {"username": "system:node:i-1", "groups": ["system:nodes"]}}}
    assert parsing.identity(review) == Identity("system:node:i-1", ("system:nodes",))


def test_a_node_tells_its_ready_condition_and_taints() -> None:
    body = {
        "spec": {"taints": [{"key": "a/not-ready", "effect": "NoSchedule"}, {"key": "b", "value": "c", "effect": "x"}]},
        "status": {
            "conditions": [
                {"type": "DiskPressure", "status": "False"},
                {"type": "Ready", "status": "False", "reason": "KubeletNotReady", "message": "no CNI"},
            ]
        },
    }
    taints = (Taint("a/not-ready", "NoSchedule"), Taint("b", "x", "c"))
    assert parsing.node(body) == Node("False", "KubeletNotReady", "no CNI", taints)
    assert [str(taint) for taint in taints] == ["a/not-ready:NoSchedule", "b=c:x"]


@pytest.mark.parametrize(
    ("said", "created"),
    [("2026-11-22T15:00:00Z", datetime(2026, 11, 22, 15, 0, tzinfo=UTC)), ("2026-11-22T15:00:00", None), (None, None)],
)
def test_a_node_tells_when_it_was_registered(said: object, created: datetime | None) -> None:
    assert parsing.node({"metadata": {"creationTimestamp": said}}).created == created


def test_a_node_that_has_never_reported_is_not_known_to_be_ready() -> None:
    assert parsing.node({}) == Node("Unknown")


def test_a_unit_is_as_systemd_shows_it() -> None:
    shown = {
        "LoadState": "loaded",
        "ActiveState": "failed",
        "SubState": "failed",
        "Result": "exit-code",
        "NRestarts": "3",
        "ExecMainStatus": "78",
        "Job": "123",
    }
    assert parsing.unit("kubelet.service", shown, "bad flag") == Unit(
        "kubelet.service", "loaded", "failed", "failed", "exit-code", "3", "78", "123", "bad flag"
    )


def test_a_unit_that_runs_tells_for_how_long() -> None:
    shown = {"ActiveState": "active", "ActiveEnterTimestampMonotonic": "40000000"}
    assert parsing.unit("kubelet.service", shown, uptime=100.0).active_for == 60.0
    assert parsing.unit("kubelet.service", {**shown, "ActiveState": "failed"}, uptime=100.0).active_for is None
    assert parsing.unit("kubelet.service", {"ActiveState": "active"}, uptime=100.0).active_for is None


@given(st.dictionaries(st.sampled_from(["state", "message", "verdicts", "spec", "status"]), JSON))
def test_any_json_object_gives_a_value(body: dict[str, object]) -> None:
    again = json.loads(json.dumps(body))
    assert isinstance(parsing.configured(again), Configured)
    assert isinstance(parsing.identity(again), Identity)
    assert isinstance(parsing.node(again), Node)


KUBELET = [
    "2026-11-22T15:00:01.000000+0000 i-1 kubelet[600]: I1122 15:00:01.000000     600 server.go:1] starting",
    '2026-11-22T15:00:02.000000+0000 i-1 kubelet[600]: E1122 15:00:02.12  9 r.go:7] "command failed" err="bad flag"',
    "2026-11-22T15:00:03.000000+0000 i-1 systemd[1]: kubelet.service: Scheduled restart job",
]


def test_the_last_words_are_the_newest_complaint() -> None:
    assert parsing.last_words(KUBELET) == '"command failed" err="bad flag"'
    assert parsing.last_words(KUBELET[:1]).endswith("starting")
    assert parsing.last_words([]) == ""


@pytest.mark.parametrize(
    ("active", "sub", "restarts", "is_up"),
    [
        ("active", "running", "3", True),
        ("activating", "start", "0", True),
        ("activating", "start", "2", False),
        ("activating", "auto-restart", "0", False),
        ("failed", "failed", "0", False),
    ],
)
def test_a_unit_is_up_until_it_has_ended_once(active: str, sub: str, restarts: str, *, is_up: bool) -> None:
    assert parsing.is_up({"ActiveState": active, "SubState": sub, "NRestarts": restarts}) is is_up


def test_of_a_unit_that_is_up_only_complaints_count() -> None:
    assert parsing.last_words(KUBELET, up=True) == '"command failed" err="bad flag"'
    assert parsing.last_words(KUBELET[:1], up=True) == ""


def test_a_units_own_words_count_before_systemds() -> None:
    own = "2026-11-22T15:00:00.000000+0000 host containerd[7]: containerd: failed to load TOML: a.toml: (1, 2): bad"
    systemd = "2026-11-22T15:00:00.000001+0000 host systemd[1]: Failed to start containerd.service."
    assert parsing.last_words([own, systemd]) == "containerd: failed to load TOML: a.toml: (1, 2): bad"
    assert parsing.last_words([systemd]) == "Failed to start containerd.service."


ETH0 = {
    "ifname": "eth0",
    "link_type": "ether",
    "flags": ["UP", "LOWER_UP"],
    "mtu": 9001,
    "addr_info": [
        {"local": "10.0.0.100", "prefixlen": 24, "scope": "global"},
        {"local": "fe80::1", "prefixlen": 64, "scope": "link"},
    ],
}
LOOPBACK = {"ifname": "lo", "link_type": "loopback", "flags": ["UP"], "mtu": 65536, "addr_info": []}
DEFAULT = {"dst": "default", "gateway": "10.0.0.1", "dev": "eth0"}


def test_the_uplink_is_the_interface_of_the_default_route() -> None:
    other = {**ETH0, "ifname": "eth1"}
    seen = parsing.uplink([LOOPBACK, other, ETH0], [DEFAULT], [{"dst": "10.0.0.1", "state": ["REACHABLE"]}])
    assert seen == Uplink("eth0", True, True, 9001, ("10.0.0.100/24",), ("10.0.0.1",))


def test_without_a_route_the_uplink_is_the_first_interface() -> None:
    seen = parsing.uplink([LOOPBACK, {**ETH0, "flags": [], "addr_info": []}], [], [])
    assert seen == Uplink("eth0", False, False, 9001)


def test_a_gateway_that_was_asked_in_vain_is_silent() -> None:
    seen = parsing.uplink([ETH0], [DEFAULT], [{"dst": "10.0.0.1", "dev": "eth0", "state": ["FAILED"]}])
    assert isinstance(seen, Uplink)
    assert seen.silent == ("10.0.0.1",)


def test_a_gateway_that_is_silent_behind_another_interface_is_not() -> None:
    """Secondary ENIs of the same subnet have the same gateway."""
    neighbours = [
        {"dst": "10.0.0.1", "dev": "eth0", "state": ["REACHABLE"]},
        {"dst": "10.0.0.1", "dev": "eth1", "state": ["FAILED"]},
    ]
    seen = parsing.uplink([ETH0], [DEFAULT], neighbours)
    assert isinstance(seen, Uplink)
    assert seen.silent == ()


def test_a_host_without_interfaces() -> None:
    assert isinstance(parsing.uplink([LOOPBACK], [], []), Trouble)


def test_nameservers_are_read() -> None:
    assert parsing.nameservers("# nameserver x\nnameserver 10.0.0.2\nsearch a\nnameserver ::1\n") == ("10.0.0.2", "::1")


def test_secondary_enis_are_read_from_the_snapshot() -> None:
    snapshot = {"enis": [{"ifname": "eth0", "primary": True}, {"ifname": "eth1", "state": "degraded", "reason": "r"}]}
    assert parsing.secondaries(snapshot, 100.0) == (Secondary("eth1", "degraded", "r"),)
    snapshot["enis"][1] |= {"state": "metadata-pending", "timestamps": {"state": 40.0}}
    assert parsing.secondaries(snapshot, 100.0) == (Secondary("eth1", "metadata-pending", "r", 60.0),)


PULLS = {
    'E1122 15:00:00.000000 1 log.go:32] "PullImage from image service failed" err="rpc error: x"': (),
    (
        'time="2026-11-22T15:00:00Z" level=error msg="PullImage \\"r.example/app:1\\" failed" '
        'error="failed to pull and unpack image: dial tcp 192.0.2.1:443: i/o timeout"'
    ): (PullFailure("r.example/app:1", "failed to pull and unpack image: dial tcp 192.0.2.1:443: i/o timeout"),),
    (
        'level=error msg="PullImage \\"r.example/app:1\\" failed" '
        'error="rpc error: code = DeadlineExceeded desc = failed to pull: i/o timeout"'
    ): (PullFailure("r.example/app:1", "failed to pull: i/o timeout"),),
    'Failed to pull image "r.example/app:2": rpc error: code = Unknown desc = 403 Forbidden': (
        PullFailure("r.example/app:2", "403 Forbidden"),
    ),
    'Failed to pull image "r.example/app:2": 403 Forbidden': (PullFailure("r.example/app:2", "403 Forbidden"),),
}


@pytest.mark.parametrize("line", PULLS)
def test_failed_pulls_are_read_from_the_journal(line: str) -> None:
    assert parsing.pull_failures([line]) == PULLS[line]


BEGINS = 'level=info msg="PullImage \\"r.example/app:1\\""'
FAILS = 'level=error msg="PullImage \\"r.example/app:1\\" failed" error="i/o timeout"'
ENDS = 'level=info msg="PullImage \\"r.example/app:1\\" returns image reference \\"sha256:0a\\""'


def test_a_pull_that_succeeded_has_not_failed() -> None:
    assert parsing.pull_failures([BEGINS, ENDS]) == ()
    assert parsing.pull_failures([BEGINS, FAILS, BEGINS, ENDS]) == ()
    assert parsing.pull_failures([BEGINS, FAILS, FAILS, BEGINS]) == (PullFailure("r.example/app:1", "i/o timeout"),)
    assert parsing.pull_failures([BEGINS, FAILS.replace("i/o timeout", "context canceled")]) == ()
    other = FAILS.replace("app:1", "app:2")
    assert [each.image for each in parsing.pull_failures([other, FAILS, ENDS])] == ["r.example/app:2"]


def test_the_kernels_news() -> None:
    messages = ["[  9.1] Out of memory: Killed process 812 (java) total-vm:1kB", "[ 9.2] eth0: link up"]
    records = ["<6>[ 1.0] x", "Panic#1 Part1\n<0>[ 9.9] Kernel panic - not syncing: sysrq triggered crash\n"]
    assert parsing.kernel_news(messages, records) == KernelNews(
        ("java",), "Kernel panic - not syncing: sysrq triggered crash"
    )
    assert (
        parsing.kernel_news([], ["Panic#1 Part2\n<4>[ 9.9] Call Trace:\n"]).panic == "a kernel panic without its words"
    )
    assert parsing.kernel_news([], ["Oops#1 Part1\n<4>[ 9.9] Call Trace: Panic#1 Part1\n"]).panic == ""


@given(JSON, JSON, JSON)
def test_whatever_ip_prints_gives_a_value(links: object, routes: object, neighbours: object) -> None:
    assert isinstance(parsing.uplink(links, routes, neighbours), Uplink | Trouble)
