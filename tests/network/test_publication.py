"""What is published is made anew where it says something else, and stays as it is where it does not."""

import json
from dataclasses import replace

from network.values import ETH0, PRIMARY, PRIMARY_MAC, target

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


def test_what_is_sure_at_last_is_offered() -> None:
    """Nothing else of the ENI changes: that IMDS said twice that there is no prefix is what was waited for."""
    bare = replace(PRIMARY, ipv4_prefixes=None)
    publication, unsure = Publication(None, "boot", PATH), target(bare, ETH0, firm=False)
    node = Node(PRIMARY_MAC, {bare.mac: Record(begin(bare, 0.0), state="ready")})
    assert isinstance(publication.of(node, [unsure], pod_subnet_mode=False).offered, Unknown)
    assert isinstance(publication.of(node, [replace(unsure, firm=True)], pod_subnet_mode=False).offered, FileSpec)


def test_before_anything_is_known_nothing_is_published() -> None:
    published = Publication(None, "boot", PATH).published
    assert isinstance(published.offered, Unknown)
    assert published.enis is None
