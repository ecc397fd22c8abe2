"""What is published is made anew where it says something else, and stays as it is where it does not."""

import json
from dataclasses import replace

from network.values import PRIMARY_MAC, target

from agent.model import FileSpec, Unknown
from agent.network.memory import begin
from agent.network.publication import Publication
from agent.network.records import Node, Record
from agent.rtnl import Link

PATH = "/run/node-agent/enis.json"


def generation(file: FileSpec | None) -> int:
    assert file is not None
    found: int = json.loads(file.content)["generation"]
    return found


def test_the_same_is_not_made_twice() -> None:
    publication, one = Publication(None, "boot", PATH), target()
    node = Node(PRIMARY_MAC, {one.mac: Record(begin(one.interface.eni, 0.0), state="ready")})
    first = publication.of(node, [one], pod_subnet_mode=False)
    assert publication.of(node, [one], pod_subnet_mode=False) is first is publication.published
    assert (first.enis.path if first.enis else None) == PATH


def test_what_changes_has_another_generation() -> None:
    publication, one = Publication(None, "boot", PATH), target()
    node = Node(PRIMARY_MAC, {one.mac: Record(begin(one.interface.eni, 0.0), state="ready")})
    before = generation(publication.of(node, [one], pod_subnet_mode=False).enis)
    degraded = node.with_record(one.mac, replace(node.records[one.mac], state="degraded", reason="no carrier"))
    assert generation(publication.of(degraded, [one], pod_subnet_mode=False).enis) == before + 1
    link = one.link
    assert isinstance(link, Link)
    renamed = replace(one, interface=replace(one.interface, link=replace(link, name="ens7")))
    assert generation(publication.of(degraded, [renamed], pod_subnet_mode=False).enis) == before + 2
    assert generation(publication.of(degraded, [renamed], pod_subnet_mode=True).enis) == before + 3


def test_before_anything_is_known_nothing_is_published() -> None:
    published = Publication(None, "boot", PATH).published
    assert isinstance(published.offered, Unknown)
    assert published.enis is None
