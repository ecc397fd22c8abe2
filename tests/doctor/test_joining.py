"""A node on its way: what every join shows for a while is no failure, and nothing is announced of it."""

from dataclasses import replace
from datetime import timedelta

import pytest
from doctor.healthy import HEALTHY, NODE, NOW, unit, units

from agent.announce import change
from agent.doctor.chain import examine
from agent.doctor.checks_api import UNINITIALIZED
from agent.doctor.evidence import Evidence, Node, Taint, Trouble, Unit
from agent.doctor.report import Announced

NEW = Announced(uid="5f0c")
WITHOUT_CNI = Node("False", "KubeletNotReady", "NetworkPluginNotReady: cni plugin not initialized")
WAYPOINTS = {
    "not registered": Trouble("missing", f"the cluster has no Node {NODE}"),
    "has not reported": Node("Unknown"),
    "no CNI": WITHOUT_CNI,
    "not initialised": Node("True", taints=(Taint(UNINITIALIZED, "NoSchedule"),)),
}


def started(seconds: float, **more: str) -> dict[str, Unit]:
    return units(kubelet=replace(unit("kubelet.service", **more), active_for=seconds))


def verdict(evidence: Evidence) -> str:
    return next(check.status for check in examine(evidence).checks if check.id == "node")


@pytest.mark.parametrize("name", WAYPOINTS)
def test_what_every_join_shows_for_a_while_is_not_decided(name: str) -> None:
    seen = replace(HEALTHY, node=WAYPOINTS[name], units=started(30))
    assert verdict(seen) == "unknown"
    assert change.wanted(replace(examine(seen), announced=NEW), NODE) is None
    late = replace(seen, units=started(130))
    assert verdict(late) == "fail"


def test_a_node_that_has_just_been_registered_is_joining() -> None:
    seen = replace(HEALTHY, units=started(600))
    assert verdict(replace(seen, node=replace(WITHOUT_CNI, created=NOW - timedelta(seconds=30)))) == "unknown"
    assert verdict(replace(seen, node=replace(WITHOUT_CNI, created=NOW - timedelta(hours=1)))) == "fail"


def test_a_kubelet_that_keeps_restarting_is_not_on_its_way() -> None:
    created = NOW - timedelta(hours=1)
    seen = replace(HEALTHY, node=replace(WITHOUT_CNI, created=created), units=started(5, restarts="9"))
    assert verdict(seen) == "fail"


def test_what_the_api_server_refuses_is_no_matter_of_time() -> None:
    assert verdict(replace(HEALTHY, node=Trouble("forbidden", "403"), units=started(5))) == "fail"
