"""What the probes bring, parsed into values; whatever it is, never an exception."""

import json
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from agent.doctor import evidence
from agent.doctor.evidence import Configured, Evidence, Identity, Node, Status, Unit
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
    assert evidence.parse_configured(status) == Configured(
        "failed", "the user data cannot be used", (Verdict("settings.x", "error", "is missing", "user data"),)
    )


def test_no_status_of_configure_is_none() -> None:
    assert evidence.parse_configured(None) is None


def test_statuses_are_read_by_name() -> None:
    files = {"network": {"state": "ok", "message": "2 ENIs"}, "storage": {"state": "degraded", "action": "reboot"}}
    assert evidence.parse_statuses(files) == {
        "network": Status("ok", "2 ENIs"),
        "storage": Status("degraded", "", "reboot"),
    }


def test_what_the_daemons_published_is_evidence() -> None:
    now = datetime(2026, 11, 22, 15, 0, tzinfo=UTC)
    seen = evidence.published({"configure": {"state": "ok", "message": "done"}}, now)
    assert seen == Evidence(now, {"configure": Status("ok", "done")}, Configured("ok", "done"))


def test_a_review_tells_the_user() -> None:
    review = {"status": {"userInfo": {"username": "system:node:i-1", "groups": ["system:nodes"]}}}
    assert evidence.parse_identity(review) == Identity("system:node:i-1", ("system:nodes",))


def test_a_node_tells_its_ready_condition_and_taints() -> None:
    body = {
        "spec": {"taints": [{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]},
        "status": {
            "conditions": [
                {"type": "DiskPressure", "status": "False"},
                {"type": "Ready", "status": "False", "reason": "KubeletNotReady", "message": "no CNI"},
            ]
        },
    }
    assert evidence.parse_node(body) == Node("False", "KubeletNotReady", "no CNI", ("node.kubernetes.io/not-ready",))


def test_a_node_that_has_never_reported_is_not_known_to_be_ready() -> None:
    assert evidence.parse_node({}) == Node("Unknown")


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
    assert evidence.parse_unit("kubelet.service", shown, "bad flag") == Unit(
        "kubelet.service", "loaded", "failed", "failed", "exit-code", "3", "78", "123", "bad flag"
    )


@given(st.dictionaries(st.sampled_from(["state", "message", "verdicts", "spec", "status"]), JSON))
def test_any_json_object_gives_a_value(body: dict[str, object]) -> None:
    again = json.loads(json.dumps(body))
    assert isinstance(evidence.parse_configured(again), Configured)
    assert isinstance(evidence.parse_identity(again), Identity)
    assert isinstance(evidence.parse_node(again), Node)
