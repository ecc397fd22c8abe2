"""A clone with user data that is wrong: kubelet does not start, nothing loops, the console says what to change."""

import base64
import json

import pytest

import guest
from world import World
from world.node import Node
from world.waiting import until

pytestmark = pytest.mark.vm
CONFIGURE = "node-agent-configure.service"
EX_CONFIG = 78


@pytest.fixture(scope="module")
def clone(node: Node) -> Node:
    """A machine made from the node's volumes, launched with user data that is not TOML."""
    made = node.clone(user_data="this is = not [TOML")
    until(lambda: exit_status(made) == EX_CONFIG, 300, "configure has given up")
    return made


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
    clone.imds.set("user-data", spoil(world.user_data()))
    clone.shell(f"systemctl restart {CONFIGURE}")
    assert exit_status(clone) == EX_CONFIG
    assert clone.shell("systemctl is-active kubelet").output.strip() in {"inactive", "failed"}
    assert guest.run(clone, f"systemctl show --property NRestarts --value {CONFIGURE}").strip() == "0"
    headline = json.loads(clone.shell("node-agent doctor --json").output)["headline"]
    assert headline["id"] == "user-data"
    assert named in headline["message"]
    assert headline["action"]
    until(lambda: headline["message"].encode() in newest_cycle(clone), 60, "the console says so")


def newest_cycle(node: Node) -> bytes:
    return node.console().replace(b"\r\n", b"\n")[-49_152:]
