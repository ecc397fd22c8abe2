import contextlib
import json
from datetime import UTC, datetime
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.diagnostics import destination
from agent.diagnostics.destination import Rules
from agent.errors import FailedError, SettingsError

SIGNED = (
    "https://s3.us-west-2.amazonaws.com/diagnostics/a%20b.tar.gz?X-Amz-Algorithm=AWS4-HMAC-SHA256"
    "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20261122%2Fus-west-2%2Fs3%2Faws4_request&X-Amz-Date=20261122T150000Z"
    "&X-Amz-Expires=3600&X-Amz-SignedHeaders=host&X-Amz-Signature=0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c"
)
CLUSTER = Rules([ip_network("172.20.0.0/16")], {"api.example.com"})
OLDER = "https://b.s3.amazonaws.com/k?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=abcDEF%3D&Expires=1795359600"


def test_a_presigned_url_is_split_and_keeps_its_query_word_for_word() -> None:
    found = destination.parse(SIGNED)
    assert (found.host, found.port) == ("s3.us-west-2.amazonaws.com", 443)
    assert found.target == SIGNED.removeprefix("https://s3.us-west-2.amazonaws.com")
    assert found.expires == datetime(2026, 11, 22, 16, tzinfo=UTC)
    assert "Signature" not in repr(found)


def test_the_older_form_ends_at_its_unix_time() -> None:
    assert destination.parse(OLDER).expires == datetime.fromtimestamp(1795359600, UTC)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "not an https URL"),
        ("nodes", "not an https URL"),
        ("http://s3.us-west-2.amazonaws.com/k", "not an https URL"),
        ("file:///etc/shadow", "not an https URL"),
        ("https:///k", "names no host"),
        ("https://bucket..s3.amazonaws.com/k", "is no name"),
        (f"https://{'b' * 64}.s3.amazonaws.com/k", "is no name"),
        (f"https://{'b.' * 130}s3.amazonaws.com/k", "is no name"),
        ("https://user@example.com/k", "user name"),
        ("https://example.com/k#f", "fragment"),
        ("https://example.com/a b", "characters"),
        ("https://example.com/a\r\nHost: b", "characters"),
        ("https://example.com/ü", "characters"),
        ("https://example.com:port/", "is no URL"),
        ("https://example.com:99999/", "is no URL"),
        ("https://[::1/", "is no URL"),
        ("https://example.com/k?X-Amz-SignedHeaders=content-type%3Bhost", "content-type"),
        ("https://2130706433/k", "is a number"),
        ("https://0x7f.1/k", "is a number"),
        ("https://127.1/k", "is a number"),
        ("http://10.0.0.9/k", "not an https URL"),
    ],
)
def test_what_is_refused_before_anything_is_collected(text: str, problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        destination.parse(text)


@given(st.text())
def test_a_destination_is_a_value_or_a_settings_error(text: str) -> None:
    with contextlib.suppress(SettingsError):
        assert destination.parse(f"https://{text}").host


@pytest.mark.parametrize(
    "peer",
    [
        "169.254.169.254",
        "fd00:ec2::254",
        "fe80::1",
        "127.0.0.1",
        "::1",
        "::ffff:169.254.169.254",
        "0.0.0.0",
        "224.0.0.1",
        "10.0.0.100",
        "172.20.0.1",
        "64:ff9b::a9fe:a9fe",
    ],
)
def test_a_peer_that_takes_no_bundle(peer: str) -> None:
    with pytest.raises(FailedError, match="is refused"):
        destination.check_peer(peer, "10.0.0.100", CLUSTER)


@pytest.mark.parametrize("peer", ["10.0.0.11", "52.218.0.1", "2600:1f13::1"])
def test_a_private_endpoint_or_a_public_one_is_good(peer: str) -> None:
    destination.check_peer(peer, "10.0.0.100", CLUSTER)


def test_a_setting_allows_an_address_by_plain_http_too() -> None:
    destination.check_peer("127.0.0.1", "127.0.0.1", Rules(allowed={"127.0.0.1"}))
    found = destination.parse("http://127.0.0.1/k", {"127.0.0.1"})
    assert (found.port, found.plain) == (80, True)
    assert not destination.parse("https://127.0.0.1/k", {"127.0.0.1"}).plain


@pytest.mark.parametrize(
    "host",
    ["localhost", "metadata", "a.localhost", "instance-data.ec2.internal", "api.example.com", "a.b.svc", "x.local"],
)
def test_a_name_that_a_proxy_would_resolve_to_something_of_the_node(host: str) -> None:
    with pytest.raises(FailedError, match="is refused"):
        destination.check_peer(host, "", CLUSTER)


@pytest.mark.parametrize("host", ["s3.us-west-2.amazonaws.com", "b.s3.amazonaws.com", "52.218.0.1"])
def test_a_name_that_a_proxy_may_resolve(host: str) -> None:
    destination.check_peer(host, "", CLUSTER)


@pytest.mark.parametrize(
    ("dns", "network"),
    [
        ("172.20.0.10", "172.20.0.0/16"),
        ("10.100.0.10", "10.100.0.0/16"),
        ("10.7.3.10", "10.7.3.0/24"),
        ("fd12:3456::a", "fd12:3456::/108"),
    ],
)
def test_the_service_range_around_the_cluster_dns(dns: str, network: str) -> None:
    assert destination.service_ranges("", json.dumps({"clusterDNS": [dns]})) == [ip_network(network)]


SETTINGS = '{"settings": {"kubernetes": {"service-cidr": "10.96.0.0/12"}}}'
KUBELET = '{"clusterDNS": ["10.96.0.10"]}'


def test_a_setting_knows_the_service_range() -> None:
    assert destination.service_ranges(SETTINGS, KUBELET) == [ip_network("10.96.0.0/12")]
    with pytest.raises(FailedError, match="the cluster's own"):
        destination.check_peer("10.97.1.5", "10.0.0.100", Rules(destination.service_ranges(SETTINGS, KUBELET)))


@pytest.mark.parametrize(
    "settings",
    [
        "",
        "no JSON",
        "[]",
        '{"settings": []}',
        '{"settings": {"kubernetes": {"service-cidr": true}}}',
        '{"settings": {}}',
    ],
)
def test_where_none_is_set_the_service_range_is_guessed(settings: str) -> None:
    assert destination.service_ranges(settings, KUBELET) == [ip_network("10.96.0.0/24")]
    for kubelet in ("", "no JSON", "[]", '{"clusterDNS": [null, "name"]}', '{"clusterDNS": null}'):
        assert destination.service_ranges(settings, kubelet) == []


def test_an_echo_of_the_query_is_cut() -> None:
    found = destination.parse(SIGNED)
    text = destination.scrub(
        "no AKIAIOSFODNN7EXAMPLE/20261122/us-west-2/s3/aws4_request and 0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c",
        found.secrets(),
    )
    assert "AKIAIOSFODNN7EXAMPLE" not in text
    assert "0f1e2d3c" not in text


def test_the_older_forms_signature_is_cut_however_it_is_written() -> None:
    text = destination.scrub(
        "Signature=abcDEF%3D and abcDEF= of AKIAIOSFODNN7EXAMPLE", destination.parse(OLDER).secrets()
    )
    assert "abcDEF" not in text
    assert "AKIAIOSFODNN7EXAMPLE" not in text
