"""What others put beside ours so that it comes before ours, or draws the traffic of a subnet: it goes, ours stays."""

from collections.abc import Callable, Sequence

import pytest
from network.behaviour import kernel
from network.behaviour.card import Card
from network.behaviour.conftest import PRIMARY, STEADY
from network.behaviour.ground import Ground

from world.processes import run

pytestmark = pytest.mark.netns

ROUTES: dict[str, Callable[[Card, str], Sequence[str]]] = {
    "a route with another source": lambda card, name: [
        f"route prepend default via {card.gateway4} dev {name} table {card.table} src {PRIMARY.address4}"
    ],
    "a refusal": lambda card, _: [f"route prepend unreachable default table {card.table}"],
    "a static refusal": lambda card, _: [f"route prepend unreachable default table {card.table} proto static"],
    "a route elsewhere": lambda card, _: [
        f"route prepend default via {PRIMARY.gateway4} dev eth{PRIMARY.place} table {card.table}"
    ],
    "an MTU": lambda card, name: [
        f"route replace default via {card.gateway4} dev {name} table {card.table} mtu 600",
        f"-6 route replace default via fe80:ec2::1 dev {name} table {card.table} metric 1024 mtu 1300",
    ],
    "all of them": lambda card, name: [
        f"route prepend default via {card.gateway4} dev {name} table {card.table} src {PRIMARY.address4}",
        f"route prepend unreachable default table {card.table}",
        f"-6 route replace unreachable default table {card.table} metric 1024",
    ],
}


@pytest.mark.usefixtures("resident")
@pytest.mark.parametrize("lines", ROUTES.values(), ids=ROUTES)
def test_a_route_beside_ours_goes(node: Ground, card: Card, lines: Callable[[Card, str], Sequence[str]]) -> None:
    node.batch(*lines(card, f"eth{card.place}"))
    plain = f"default via {card.gateway4} dev eth{card.place} proto 157"
    node.wait_until(lambda: plain in table(node, card), "ours is as it was")
    node.wait_until_complete(card)
    assert not [line for line in table(node, card) if "mtu" in line or "src" in line]


def table(node: Ground, card: Card) -> list[str]:
    found = [run(["ip", "-n", node.name, option, "route", "show", "table", str(card.table)]) for option in ("-4", "-6")]
    return [line.strip() for text in found for line in text.splitlines()]


@pytest.mark.usefixtures("resident")
def test_an_address_of_another_enis_subnet_goes(node: Ground, card: Card) -> None:
    """DHCP on a link that is mixed up: the primary's own subnet would be led out of it."""
    for other in (PRIMARY, STEADY):
        network = str(other.subnet4).replace(".0.0/", ".0.77/")
        node.batch(f"address add {network} dev eth{card.place} valid_lft 3600 preferred_lft 3600")
    node.wait_until_complete(card)
    assert f"{PRIMARY.address4}/20" in kernel.addresses(node.name, f"eth{PRIMARY.place}")
