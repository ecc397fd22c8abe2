"""The interfaces in IMDS: present, absent and unknown are three things."""

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import eni
from agent.eni import Eni, EniTree
from agent.model import Unknown

MAC = "02:00:00:00:00:01"
BELOW = f"{eni.MACS}{MAC}/"
KEYS = {
    "device-number": "0",
    "interface-id": "eni-0123456789abcdef0",
    "mac": MAC,
    "owner-id": "123456789012",
    "subnet-id": "subnet-0aa",
    "vpc-id": "vpc-0aa",
    "security-group-ids": "sg-0a\nsg-0b",
    "local-ipv4s": "10.0.0.4\n10.0.0.5",
    "ipv6s": "2600:1f16:067f:f201:0:0:0:1",
    "ipv4-prefix": "10.0.1.16/28",
    "ipv6-prefix": "2600:1f16:67f:f201:1:0:0:0/80",
    "subnet-ipv4-cidr-block": "10.0.0.0/20",
    "subnet-ipv6-cidr-blocks": "2600:1f16:67f:f201:0:0:0:0/64",
    "vpc-ipv4-cidr-blocks": "10.0.0.0/16\n10.1.0.0/16",
    "vpc-ipv6-cidr-blocks": "2600:1f16:67f:f200::/56",
}


class Service:
    """Answers like IMDS with the given keys of one interface; `overrides` are answers to whole paths."""

    def __init__(self, keys: Mapping[str, str], overrides: Mapping[str, str | Unknown | None]) -> None:
        self.asked: list[str] = []
        self._answers: dict[str, str | Unknown | None] = {
            "meta-data/mac": MAC,
            eni.MACS: f"{MAC}/",
            BELOW: "\n".join(sorted(keys)),
            **{BELOW + key: value for key, value in keys.items()},
            **overrides,
        }

    def __call__(self, path: str) -> str | Unknown | None:
        self.asked.append(path)
        return self._answers.get(path)


def read(keys: Mapping[str, str] = KEYS, overrides: Mapping[str, str | Unknown | None] | None = None) -> EniTree:
    return eni.read_tree(Service(keys, overrides or {}))


def only(tree: EniTree) -> Eni:
    assert not isinstance(tree.enis, Unknown)
    (found,) = tree.enis
    return found


def without(*keys: str) -> dict[str, str]:
    return {key: value for key, value in KEYS.items() if key not in keys}


def test_everything_is_there() -> None:
    assert read() == EniTree(
        MAC,
        (
            Eni(
                mac=MAC,
                eni_id="eni-0123456789abcdef0",
                device_number=0,
                network_card=None,
                owner_id="123456789012",
                subnet_id="subnet-0aa",
                security_group_ids=("sg-0a", "sg-0b"),
                ipv4s=(IPv4Address("10.0.0.4"), IPv4Address("10.0.0.5")),
                ipv6s=(IPv6Address("2600:1f16:67f:f201::1"),),
                ipv4_prefixes=(IPv4Network("10.0.1.16/28"),),
                ipv6_prefixes=(IPv6Network("2600:1f16:67f:f201:1::/80"),),
                subnet_ipv4_cidr=IPv4Network("10.0.0.0/20"),
                subnet_ipv6_cidrs=(IPv6Network("2600:1f16:67f:f201::/64"),),
                vpc_ipv4_cidrs=(IPv4Network("10.0.0.0/16"), IPv4Network("10.1.0.0/16")),
                vpc_ipv6_cidrs=(IPv6Network("2600:1f16:67f:f200::/56"),),
            ),
        ),
    )


def test_a_key_that_is_not_listed_is_absent() -> None:
    found = only(read(without("local-ipv4s", "ipv4-prefix")))
    assert (found.ipv4s, found.ipv4_prefixes) == (None, None)


def test_nothing_is_absent_before_the_interface_is_propagated() -> None:
    found = only(read(without("owner-id", "local-ipv4s")))
    assert found.ipv4s == found.owner_id == Unknown(f"IMDS does not list owner-id of {MAC} yet")
    assert found.device_number == 0


def test_a_listed_key_that_is_not_there_is_unknown() -> None:
    assert only(read(overrides={BELOW + "ipv4-prefix": None})).ipv4_prefixes == Unknown(
        f"IMDS lists ipv4-prefix of {MAC} but does not have it"
    )


def test_an_interface_whose_listing_is_not_there_is_unknown_as_a_whole() -> None:
    service = Service(KEYS, {BELOW: None})
    found = only(eni.read_tree(service))
    assert {found.eni_id, found.ipv4s, found.network_card} == {Unknown(f"IMDS lists {MAC} but nothing below it")}
    assert service.asked == ["meta-data/mac", eni.MACS, BELOW]


@pytest.mark.parametrize("where", ["meta-data/mac", eni.MACS, BELOW, BELOW + "subnet-id"])
def test_a_failure_stays_a_failure(where: str) -> None:
    failure = Unknown("503")
    tree = read(overrides={where: failure})
    first = tree.enis[0] if isinstance(tree.enis, tuple) else None
    assert failure in {tree.primary_mac, tree.enis, first and first.subnet_id}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("device-number", ""),
        ("device-number", "one"),
        ("device-number", "-1"),
        ("device-number", "²"),
        ("interface-id", "eni-../x"),
        ("subnet-id", "a b"),
        ("local-ipv4s", ""),
        ("local-ipv4s", "10.0.0.4\n\n10.0.0.5"),
        ("ipv4-prefix", "10.0.1.17/28"),
        ("ipv6s", "10.0.0.4"),
    ],
)
def test_a_value_that_cannot_be_is_unknown(key: str, value: str) -> None:
    found = only(read({**KEYS, key: value}))
    unknown = [getattr(found, name) for name in Eni.__slots__ if isinstance(getattr(found, name), Unknown)]
    assert unknown == [Unknown(f"IMDS gives {value!r} as {key}")]


def test_macs_are_compared_in_lower_case_and_sorted() -> None:
    listing = "02:00:00:00:00:0B/\n02:00:00:00:00:0a/"
    tree = read(overrides={eni.MACS: listing, "meta-data/mac": "02:00:00:00:00:0B"})
    assert tree.primary_mac == "02:00:00:00:00:0b"
    assert isinstance(tree.enis, tuple)
    assert [each.mac for each in tree.enis] == ["02:00:00:00:00:0a", "02:00:00:00:00:0b"]


@pytest.mark.parametrize("listing", [None, "", "nonsense/"])
def test_no_interface_at_all_cannot_be(listing: str | None) -> None:
    assert isinstance(read(overrides={eni.MACS: listing}).enis, Unknown)


def test_the_primary_is_unknown_where_nothing_says_which_it_is() -> None:
    assert isinstance(read(overrides={"meta-data/mac": None}).primary_mac, Unknown)


@given(st.dictionaries(st.sampled_from([*KEYS, "network-card", "public-ipv4s"]), st.text(max_size=20)))
def test_any_text_gives_a_tree_by_a_bounded_number_of_requests(keys: dict[str, str]) -> None:
    service = Service(keys, {})
    found = only(eni.read_tree(service))
    assert found.mac == MAC
    assert len(service.asked) <= 3 + 15
