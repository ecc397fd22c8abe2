"""A clone: with user data that is wrong it says why, with any that is right it joins as itself, also after a stop."""

import base64
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

import guest
from world import World, join, machines
from world.metadata import Fault
from world.node import Node
from world.waiting import until

pytestmark = pytest.mark.vm
CONFIGURE = "node-agent-configure.service"
EX_CONFIG = 78
OVERRIDE = "/etc/node-agent/conf.d/10-local.toml"
LATE = 20.0


@pytest.fixture(scope="module")
def clone(world: World, node: Node) -> Iterator[Node]:
    """A machine made from the node's volumes, launched with user data that is not TOML."""
    made = node.clone(user_data="this is = not [TOML")
    until(lambda: exit_status(made) == EX_CONFIG, 600, "configure has given up")
    yield made
    world.terminate(made)


def exit_status(node: Node) -> int:
    return int(guest.run(node, f"systemctl show --property ExecMainStatus --value {CONFIGURE}") or 0)


def test_a_clone_has_a_machine_id_of_its_own(node: Node, clone: Node) -> None:
    assert guest.run(clone, "cat /etc/machine-id") != guest.run(node, "cat /etc/machine-id")


def without(user_data: str, key: str) -> str:
    return "\n".join(line for line in user_data.splitlines() if not line.startswith(key))


def no_certificate(user_data: str) -> str:
    wrong = base64.b64encode(b"not a certificate").decode()
    return without(user_data, "cluster-certificate").replace(
        "[settings.kubernetes]", f'[settings.kubernetes]\ncluster-certificate = "{wrong}"'
    )


CASES = {
    "not TOML": (lambda _good: "this is = not [TOML", "TOML"),
    "api-server missing": (lambda good: without(good, "api-server"), "settings.kubernetes.api-server"),
    "a CA that is no certificate": (no_certificate, "settings.kubernetes.cluster-certificate"),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_user_data_stops_kubelet_and_says_why(world: World, clone: Node, case: str) -> None:
    spoil, named = CASES[case]
    configure(clone, spoil(world.user_data()))
    assert exit_status(clone) == EX_CONFIG
    assert clone.shell("systemctl is-active kubelet").output.strip() in {"inactive", "failed"}
    assert guest.run(clone, f"systemctl show --property NRestarts --value {CONFIGURE}").strip() == "0"
    headline = guest.headline(clone)
    assert headline is not None
    assert headline["id"] == "user-data"
    assert named in headline["message"]
    assert headline["action"]
    until(lambda: headline["message"].encode() in newest_cycle(clone), 180, "the console says so")


def newest_cycle(node: Node) -> bytes:
    return node.console().replace(b"\r\n", b"\n")[-49_152:]


def configure(node: Node, user_data: str) -> None:
    """Give a machine on which nothing runs other user data, and configure it as its next boot would."""
    node.imds.set(machines.USER_DATA, user_data)
    node.shell(f"systemctl restart {CONFIGURE}", 300)


def reconfigure(node: Node, user_data: str) -> None:
    """Give a running node other user data; what must start anew for it does."""
    node.imds.set(machines.USER_DATA, user_data)
    guest.run(node, f"systemctl reload {CONFIGURE}", 300)


@pytest.fixture(scope="module")
def joined(world: World, clone: Node) -> Node:
    """The clone once its user data was corrected."""
    configure(clone, world.user_data())
    guest.run(clone, "systemctl --no-block start kubelet")
    clone.wait_ready()
    return clone


def node_object(world: World, node: Node) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(world.kubectl("get", "node", node.instance_id, "-o", "json"))
    return found


def serving_certificate(node: Node) -> str:
    """Return what kubelet serves with; it may come after the node is Ready, as the cluster signs it on request."""

    def found() -> str | None:
        cat = node.shell("cat /var/lib/kubelet/pki/kubelet-server-current.pem")
        return cat.output if cat.status == 0 else None

    return until(found, 120, "kubelet has its serving certificate", interval=1.0)


def test_a_clone_joins_as_itself(world: World, node: Node, joined: Node) -> None:
    assert node_object(world, joined)["spec"]["providerID"] == f"aws:///us-west-2a/{joined.instance_id}"
    assert serving_certificate(joined) != serving_certificate(node)
    assert node.instance_id not in guest.run(joined, "cat /etc/kubernetes/kubelet/* 2>/dev/null; true")
    node.wait_ready(60)


def capacity(world: World, node: Node) -> int:
    return int(node_object(world, node)["status"]["capacity"]["pods"])


def forms(world: World) -> dict[str, str]:
    """Return user data that says the same in each form, with another number of pods in each."""
    joins = world.cluster.join
    many = {"config": {"maxPods": 31}, "flags": ["--node-labels='tier=web,team=blue'"]}
    parts = [
        (join.SHELL, "#!/bin/sh\ntouch /run/a-script-has-run\n"),
        (join.NODE_CONFIG, join.node_config({"kubelet": {"config": {"maxPods": 7}}})),
        (join.TOML, world.cluster.trust),
        (join.NODE_CONFIG, joins.node_config({"config": {"maxPods": 32}})),
    ]
    return {
        "NodeConfig": joins.node_config(many),
        "MIME": join.mime(parts),
        "TOML": world.user_data().replace("[settings.kubernetes]", "[settings.kubernetes]\nmax-pods = 33"),
    }


PODS = {"NodeConfig": 31, "MIME": 32, "TOML": 33}


@pytest.mark.parametrize("form", PODS)
def test_a_node_joins_with_user_data_of_any_form(world: World, joined: Node, form: str) -> None:
    world.kubectl("delete", "node", joined.instance_id)
    reconfigure(joined, forms(world)[form])
    joined.wait_ready()
    assert capacity(world, joined) == PODS[form]
    labels = node_object(world, joined)["metadata"]["labels"]
    assert ("team" in labels) is (form == "NodeConfig")
    assert joined.shell("test -e /run/a-script-has-run").status != 0


@pytest.mark.full
def test_a_local_override_beats_user_data(world: World, joined: Node) -> None:
    try:
        guest.run(joined, f"install -D /dev/stdin {OVERRIDE} <<< '[settings]\nkubernetes.max-pods = 34'")
        reconfigure(joined, forms(world)["NodeConfig"])
        until(lambda: capacity(world, joined) == 34, 300, "the override's number of pods")
    finally:
        guest.run(joined, f"rm {OVERRIDE}")


@dataclass(frozen=True)
class Restart:
    """What was seen while a stopped machine started: metadata away at first, then an STS that refuses its role."""

    node: Node
    late: float  # seconds from its first question to the first answer
    waited: dict[str, Any]  # configure's status meanwhile
    refused: int  # requests that STS refused
    headline: dict[str, Any]  # the doctor's, meanwhile


@pytest.fixture(scope="module")
def restart(world: World, joined: Node) -> Restart:
    """Stop the clone, change its user data, start it into trouble, and see it join when the trouble is over."""
    joined.power_off()
    world.kubectl("delete", "node", joined.instance_id)
    joined.imds.set(machines.USER_DATA, forms(world)["MIME"])
    joined.imds.fault("", Fault(hang=True))
    with world.region.sts.refusing("AccessDenied", "The role may not be used now.") as mood:
        asked = time.monotonic()
        joined.start()
        late, waited = through_late_metadata(joined, asked)
        headline = until(lambda: refusal(joined), 600, "the doctor names what STS refuses")
        refused = mood.refused
    joined.wait_ready()
    return Restart(joined, late, waited, refused, headline)


def through_late_metadata(node: Node, since: float) -> tuple[float, dict[str, Any]]:
    """Let metadata answer only some time after the machine's first question."""

    def first_question() -> float | None:
        return next((request.at for request in node.imds.requests if request.at > since), None)

    asked = until(first_question, 600, "the node asks for metadata")
    until(lambda: waits(node), 300, "configure says what it waits for")
    until(lambda: time.monotonic() - asked > LATE, LATE + 1, "metadata has been away for long enough")
    waited = waits(node)
    assert waited is not None, "configure waits no more"
    node.imds.heal()
    return time.monotonic() - asked, waited


def waits(node: Node) -> dict[str, Any] | None:
    found = guest.status(node, "configure")
    return found if found.get("state") == "waiting" else None


def refusal(node: Node) -> dict[str, Any] | None:
    """Return the doctor's headline once it is about the node's token."""
    found = guest.headline(node)
    return found if found and found["id"] == "authentication" else None


@pytest.mark.full
def test_metadata_that_is_late_is_waited_for(restart: Restart) -> None:
    assert restart.late > LATE
    assert restart.waited["message"]
    assert guest.run(restart.node, f"systemctl show --property NRestarts --value {CONFIGURE}").strip() == "0"


@pytest.mark.full
def test_a_token_that_sts_refuses_is_named_and_tried_again(restart: Restart) -> None:
    assert restart.refused > 0
    assert restart.headline["action"]
    assert guest.headline(restart.node) is None


@pytest.mark.full
def test_user_data_changed_while_the_machine_was_stopped_counts(world: World, restart: Restart) -> None:
    assert capacity(world, restart.node) == PODS["MIME"]
    assert guest.run(restart.node, "systemctl --failed --no-legend --plain") == ""


@pytest.mark.full
def test_no_node_has_turned_to_the_ec2_api(world: World, restart: Restart) -> None:
    assert restart.node.running
    assert world.region.ec2.callers == []
