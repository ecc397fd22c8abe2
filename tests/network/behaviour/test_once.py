"""A single pass (`node-agent network --once`): which files it leaves, and what it does if something is in its way."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from network.behaviour import kernel
from network.behaviour.card import Card
from network.behaviour.ground import CONFLIST, Ground, ground, key

from agent.errors import TemporaryError
from world.metadata import Fault

pytestmark = pytest.mark.netns

PRIMARY, OTHER = Card(0, prefixes4=1), Card(1)
STATUS = {"run/node-agent/network.json", "run/node-agent/news/network"}


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Ground]:
    with ground(tmp_path, PRIMARY, OTHER) as made:
        yield made


def files(node: Ground) -> dict[str, tuple[int, int]]:
    """Return every file but the status and its news, each with what changes when it is written."""
    found = {str(path.relative_to(node.root)): path.stat() for path in node.root.rglob("*") if path.is_file()}
    return {name: (stat.st_ino, stat.st_mtime_ns) for name, stat in found.items() if name not in STATUS}


def test_a_second_pass_writes_no_file(node: Ground) -> None:
    node.batch("link set dev eth0 mtu 1500")
    node.once()
    assert [entry["state"] for entry in node.snapshot()["enis"]] == ["ready", "ready"]
    assert (node.status()["state"], node.status()["message"]) == ("ok", "2 network interfaces ready")
    assert kernel.link(node.name, "eth0")["mtu"] == 1500, "the primary is systemd-networkd's"
    before = files(node)
    node.once()
    assert files(node) == before
    assert before.keys() == {str(CONFLIST), "run/node-agent/enis.json"}


def test_imds_without_an_answer_fails_the_pass_and_removes_nothing(node: Ground) -> None:
    node.once()
    before = files(node)
    node.metadata.fault("", Fault(status=503))
    with pytest.raises(TemporaryError, match="503"):
        node.once()
    assert node.status()["state"] == "degraded"
    assert files(node) == before
    node.assert_complete(OTHER)


@pytest.mark.parametrize("fault", [Fault(status=404), Fault(status=503), Fault(empty=True)])
def test_what_imds_does_not_say_of_the_primary_takes_nothing_away(node: Ground, fault: Fault) -> None:
    node.once()
    before, entry = files(node), node.entry(PRIMARY)
    for name in ("", "ipv4-prefix", "interface-id", "device-number", "local-ipv4s"):
        node.metadata.fault(key(PRIMARY, name), fault)
        node.once()
        node.metadata.heal()
        assert files(node)[str(CONFLIST)] == before[str(CONFLIST)]
        assert node.entry(PRIMARY) == entry
        assert node.status()["state"] == "degraded"
        assert node.entry(OTHER)["state"] == "ready"
        node.assert_complete(PRIMARY)


def test_a_name_that_is_taken_is_told_and_holds_up_nothing(node: Ground) -> None:
    node.batch("link add name cni0 type bridge", "link property add dev cni0 altname device-number-1.0")
    node.once()
    assert node.entry(OTHER)["state"] == "degraded"
    assert "File exists" in node.status()["message"]
    link = kernel.link(node.name, "eth1")
    assert (link["mtu"], "UP" in link["flags"]) == (9001, True)
    assert node.entry(PRIMARY)["state"] == "ready"


def test_a_snapshot_that_is_damaged_is_made_anew(node: Ground) -> None:
    node.state.parent.mkdir(parents=True)
    node.state.write_text('{"schemaVersion": 1, "bootId"')
    node.once()
    assert [entry["state"] for entry in node.snapshot()["enis"]] == ["ready", "ready"]
