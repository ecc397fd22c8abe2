"""A node of a closed network, on a disk of somebody else's and with a wrong clock: what it needs came in user data."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import guest
import pods
from world import World, join, machines, oci, registry
from world.node import Node
from world.outside import PROXY
from world.processes import run
from world.waiting import until

pytestmark = [pytest.mark.vm, pytest.mark.full]
AHEAD = timedelta(hours=3)
FOREIGN_BYTES = 64 << 20
ECR = "api.ecr.us-west-2.amazonaws.com"
CONFIGURE = "node-agent-configure.service"


@dataclass(frozen=True)
class Ground:
    """A node that has joined in spite of all, and what was seen on the way."""

    node: Node
    volume: str  # the digest of its second disk before the launch
    complaint: dict[str, Any]  # the doctor's headline while the clock was wrong


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A volume that belongs to something else."""
    folder = tmp_path_factory.mktemp("foreign")
    (folder / "files").mkdir()
    (folder / "files/ledger").write_text("not ours\n")
    path = folder / "volume.raw"
    with path.open("wb") as volume:
        volume.truncate(FOREIGN_BYTES)
    run(["mkfs.ext4", "-q", "-L", "ledger", "-d", folder / "files", path])
    return path


@pytest.fixture(scope="module")
def ground(world: World, foreign: Path) -> Iterator[Ground]:
    """Launch it with the time service away, and let the time come back once the doctor has named the clock."""
    with world.outside.only_by_proxy():
        world.region.clock.stop()
        node = world.launch(settings(world, authority=False), data_from=foreign, clock_offset=AHEAD)
        complaint = until(lambda: about_the_clock(node), 600, "the doctor names the clock")
        world.region.clock.start()
        node.wait_ready()
        yield Ground(node, digest(foreign), complaint)
        world.terminate(node)


def settings(world: World, *, authority: bool) -> str:
    """Return user data with a proxy and a private registry, with or without the authority of its certificate."""
    outside = world.outside
    lines = [
        world.user_data(),
        f'[settings.network]\nhttps-proxy = "{outside.proxy.url}"\nno-proxy = [".corp-internal.example"]\n',
        outside.registry.login,
        join.bundle("corp", outside.registry.certificate) if authority else "",
    ]
    return "\n".join(lines)


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def about_the_clock(node: Node) -> dict[str, Any] | None:
    found = guest.headline(node)
    return found if found and found["id"] == "clock" else None


def test_a_wrong_clock_is_named_and_healed_without_a_person(ground: Ground) -> None:
    assert "2 h 59 min" in ground.complaint["message"] or "3 h" in ground.complaint["message"]
    assert ground.complaint["action"]
    assert guest.run(ground.node, "timedatectl show --property NTPSynchronized --value").strip() == "yes"
    assert about_the_clock(ground.node) is None


def test_a_volume_with_a_foreign_signature_is_left_untouched(ground: Ground) -> None:
    assert digest(ground.node.folder.data) == ground.volume
    assert guest.run(ground.node, "findmnt --noheadings --output FSTYPE /var").strip() == "tmpfs"
    said = guest.status(ground.node, "storage")
    assert said["state"] == "degraded"
    assert "ext4" in said["message"]


@pytest.fixture(scope="module")
def refused(world: World, ground: Ground) -> Iterator[str]:
    """Why the image could not be pulled while nobody vouched for the registry."""
    pods.run(world, ground.node, "distrusting", world.outside.image)
    yield pods.wait_refusal(world, "distrusting")
    pods.delete(world, "distrusting")


def test_a_registry_of_an_unknown_authority_is_refused(world: World, refused: str) -> None:
    assert "certificate signed by unknown authority" in refused
    assert world.outside.proxy.carried()


@pytest.fixture(scope="module")
def pulled(world: World, ground: Ground, refused: str) -> Iterator[str]:
    """The address of a pod whose image was pulled when the authority had come in user data."""
    assert refused
    ground.node.imds.set(machines.USER_DATA, settings(world, authority=True))
    guest.run(ground.node, f"systemctl reload {CONFIGURE}", 300)
    pods.run(world, ground.node, "trusting", world.outside.image)
    yield pods.wait_running(world, "trusting")
    pods.delete(world, "trusting")


def test_with_its_authority_in_user_data_an_image_is_pulled_through_the_proxy(world: World, pulled: str) -> None:
    assert pods.fetch(world, pulled) == oci.PAGE
    answered = [request for request in world.outside.registry.requests() if request.status == 200]
    assert {request.source for request in answered if "/manifests/" in request.path} == {PROXY}
    assert registry.HOST in world.outside.proxy.carried()
    assert world.outside.dropped() == 0


def test_what_is_near_is_reached_without_the_proxy(world: World, pulled: str) -> None:
    assert pulled
    asked = {target.rpartition(":")[0] for target in world.outside.proxy.asked()}
    # The doctor asks whether the proxy leads to ECR.
    assert asked - {ECR} == {registry.HOST}


def test_no_password_is_where_people_look(world: World, ground: Ground, pulled: str) -> None:
    assert pulled
    seen = "cat /run/node-agent/*.json; node-agent status; journalctl --no-pager; ps axww; systemctl show '*.service'"
    output = ground.node.shell(seen, 120).output + ground.node.console().decode(errors="replace")
    assert len(output) > 10_000
    for secret in (world.outside.proxy.password, world.outside.registry.password):
        assert secret not in output


def test_no_node_has_turned_to_the_ec2_api(world: World, pulled: str) -> None:
    assert pulled
    assert world.region.ec2.callers == []
