"""Who is asked for when, and what is learnt: from a tree in memory instead of IMDS."""

from dataclasses import replace

from network.values import ETH0, ETH1, PRIMARY_MAC, SECONDARY_MAC

from agent.eni import MACS
from agent.model import Unknown
from agent.network import records
from agent.network.asking import Asker
from agent.network.memory import AGREE_AFTER
from agent.network.polling import DETAILS, FULL, LISTING, NEW_FOR, STEADY
from agent.network.records import Node

UP = replace(ETH1, up=True)


class Imds:
    """A tree, and the paths that were asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.tree: dict[str, str] = {"meta-data/mac": PRIMARY_MAC}
        for number, mac in enumerate((PRIMARY_MAC, SECONDARY_MAC)):
            values = {
                "device-number": str(number),
                "interface-id": f"eni-0123456789abcdef{number}",
                "local-ipv4s": f"10.0.0.{number + 4}",
                "mac": mac,
                "network-card": "0",
                "owner-id": "123456789012",
                "subnet-id": "subnet-0a",
                "subnet-ipv4-cidr-block": "10.0.0.0/24",
                "vpc-id": "vpc-0a",
                "vpc-ipv4-cidr-blocks": "10.0.0.0/16",
            }
            self.tree |= {f"{MACS}{mac}/{key}": value for key, value in values.items()}

    def look(self, path: str) -> str | Unknown | None:
        self.asked.append(path.removeprefix(MACS))
        if not path.endswith("/"):
            return self.tree.get(path)
        below = {key.removeprefix(path).partition("/")[0] for key in self.tree if key.startswith(path)}
        return "\n".join(f"{name}/" if path == MACS else name for name in sorted(below)) or None


def listed(asker: Asker, now: float = 0.0, node: Node | None = None) -> Node:
    return asker.learn_listing(node or Node(), asker.read_listing(now), now, seen_since=now)


def read(asker: Asker, node: Node, mac: str, now: float) -> Node:
    return asker.learn_eni(node, asker.read_eni(node, mac, now), now)


def asker_of(imds: Imds, *, in_haste: bool = True) -> Asker:
    return Asker(lambda: imds.look, lambda seconds: seconds, in_haste=in_haste)


def test_all_of_an_eni_is_read_at_first_and_then_its_addresses() -> None:
    imds = Imds()
    asker = asker_of(imds, in_haste=False)
    node = listed(asker)
    assert asker.schedule.due(0.0) == (SECONDARY_MAC, PRIMARY_MAC)
    imds.asked.clear()
    node = read(asker, node, SECONDARY_MAC, 0.0)
    assert f"{SECONDARY_MAC}/interface-id" in imds.asked
    imds.asked.clear()
    node = read(asker, node, SECONDARY_MAC, 8.0)
    imds.asked.clear()
    node = read(asker, node, SECONDARY_MAC, 16.0)
    assert imds.asked == [f"{SECONDARY_MAC}/", f"{SECONDARY_MAC}/local-ipv4s"]
    imds.asked.clear()
    node = read(asker, node, SECONDARY_MAC, DETAILS)
    assert f"{SECONDARY_MAC}/interface-id" in imds.asked, "IMDS may have been wrong at first"
    imds.asked.clear()
    node = read(asker, node, SECONDARY_MAC, NEW_FOR + DETAILS)
    assert f"{SECONDARY_MAC}/vpc-ipv4-cidr-blocks" in imds.asked
    assert f"{SECONDARY_MAC}/interface-id" not in imds.asked
    imds.asked.clear()
    read(asker, node, SECONDARY_MAC, DETAILS + FULL)
    assert f"{SECONDARY_MAC}/interface-id" in imds.asked


def test_what_the_kernel_does_not_need_is_read_once_an_eni_is_complete() -> None:
    imds = Imds()
    asker = asker_of(imds)
    node = read(asker, listed(asker), SECONDARY_MAC, 0.0)
    details = {f"{SECONDARY_MAC}/subnet-id", f"{SECONDARY_MAC}/vpc-ipv4-cidr-blocks"}
    assert f"{SECONDARY_MAC}/device-number" in imds.asked
    assert not details & set(imds.asked)
    assert isinstance(node.records[SECONDARY_MAC].memory.eni.subnet_id, Unknown)
    node = node.with_record(SECONDARY_MAC, replace(node.records[SECONDARY_MAC], complete=0.1))
    imds.asked.clear()
    node = read(asker, node, SECONDARY_MAC, 1.5)
    assert details <= set(imds.asked)
    assert f"{SECONDARY_MAC}/device-number" not in imds.asked
    assert node.records[SECONDARY_MAC].memory.eni.subnet_id == "subnet-0a"


def test_what_is_said_once_is_asked_again_soon_and_then_seldom() -> None:
    imds = Imds()
    asker = asker_of(imds)
    node = read(asker, listed(asker), PRIMARY_MAC, 0.0)
    node = read(asker, node, SECONDARY_MAC, 0.0)
    assert AGREE_AFTER < asker.schedule.turns[SECONDARY_MAC].due < 2 * AGREE_AFTER
    read(asker, node, SECONDARY_MAC, 1.5)
    assert asker.schedule.turns[SECONDARY_MAC].due == 1.5 + STEADY


def test_what_is_not_whole_is_waited_for() -> None:
    imds = Imds()
    imds.tree.pop(f"{MACS}{SECONDARY_MAC}/device-number")
    asker = asker_of(imds)
    node = read(asker, listed(asker), SECONDARY_MAC, 0.0)
    assert asker.schedule.turns[SECONDARY_MAC].due == 0.05
    node = read(asker, node, SECONDARY_MAC, 0.05)
    assert asker.schedule.turns[SECONDARY_MAC].due == 0.05 + 0.1


def test_the_listing_is_asked_for_at_once_when_an_eni_is_not_found() -> None:
    imds = Imds()
    asker = asker_of(imds)
    node = read(asker, listed(asker), SECONDARY_MAC, 0.0)
    assert LISTING not in asker.schedule.due(2.0)
    imds.tree = {path: value for path, value in imds.tree.items() if SECONDARY_MAC not in path}
    node = read(asker, node, SECONDARY_MAC, 2.0)
    assert LISTING in asker.schedule.due(2.0)
    assert listed(asker, 2.0, node).records[SECONDARY_MAC].unlisted == 2.0


def test_a_link_that_comes_is_asked_for_at_once_even_while_it_is_being_read() -> None:
    imds = Imds()
    asker = asker_of(imds)
    before = read(asker, read(asker, listed(asker), SECONDARY_MAC, 0.0), SECONDARY_MAC, 1.5)
    reading = asker.read_eni(before, SECONDARY_MAC, 3.0)
    node = records.links_seen(before, [ETH0, UP], 3.0)
    asker.meet(before, node, [ETH0, UP], 3.0)
    asker.learn_eni(node, reading, 3.1)
    assert SECONDARY_MAC in asker.schedule.due(3.1), "what was read is from before the link"


def test_a_link_of_which_imds_does_not_tell_has_the_listing_asked_for() -> None:
    imds = Imds()
    asker = asker_of(imds)
    node = listed(asker)
    assert LISTING not in asker.schedule.due(1.0)
    stranger = replace(UP, index=9, mac="02:00:00:00:00:99")
    asker.meet(node, node, [ETH0, UP, stranger], 1.0)
    assert LISTING in asker.schedule.due(1.0)


def test_of_an_eni_that_is_no_more_nothing_is_kept() -> None:
    imds = Imds()
    asker = asker_of(imds, in_haste=False)
    node = read(asker, listed(asker), SECONDARY_MAC, 0.0)
    assert (SECONDARY_MAC in asker.full, SECONDARY_MAC in asker.schedule.turns) == (True, True)
    read(asker, node, SECONDARY_MAC, DETAILS - 1.0)
    assert SECONDARY_MAC in asker.details
    left = replace(node, records={PRIMARY_MAC: node.records[PRIMARY_MAC]})
    asker.meet(node, left, [ETH0], DETAILS)
    assert not {*asker.full, *asker.details, *asker.schedule.turns} & {SECONDARY_MAC}
