"""The documents of IMDS are checked before anything is made of them."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import imds_values
from agent.errors import AgentError, FailedError, TemporaryError
from agent.model import Instance

DOCUMENT = {
    "accountId": "123456789012",
    "availabilityZone": "us-west-2a",
    "imageId": "ami-0f00d1e2a3b4c5d6e",
    "instanceId": "i-0123456789abcdef0",
    "instanceType": "m5.large",
    "kernelId": None,
    "region": "us-west-2",
}
CREDENTIALS = {
    "Code": "Success",
    "AccessKeyId": "ASIAIOSFODNN7EXAMPLE",
    "SecretAccessKey": "s3cret",
    "Token": "s3ssion",
    "Expiration": "2026-02-03T04:05:06Z",
}


def instance(document: object = DOCUMENT, **values: Any) -> Instance:
    known = {"local_ipv4": "10.0.0.4", "ipv6": None, "domain": "amazonaws.com", **values}
    return imds_values.instance(json.dumps(document).encode(), **known)


def test_an_instance() -> None:
    assert instance(ipv6="2001:DB8:0::1") == Instance(
        "i-0123456789abcdef0",
        "us-west-2",
        "us-west-2a",
        "m5.large",
        "123456789012",
        "ami-0f00d1e2a3b4c5d6e",
        "10.0.0.4",
        "2001:db8::1",
        "amazonaws.com",
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("availabilityZone", "us-west-2-lax-1a"),
        ("availabilityZone", "us-gov-west-1b"),
        ("region", "us-isob-east-1"),
        ("instanceId", "i-12345678"),
        ("instanceType", "u-6tb1.112xlarge"),
    ],
)
def test_names_that_look_unlike_the_usual_ones(key: str, value: str) -> None:
    assert value in repr(instance({**DOCUMENT, key: value}))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("instanceId", "i-../../etc"),
        ("instanceId", None),
        ("region", "us-west-2.evil.example/"),
        ("region", ""),
        ("availabilityZone", "us-west-2"),
        ("accountId", 123456789012),
        ("instanceType", "m5 large"),
    ],
)
def test_names_that_cannot_be(key: str, value: object) -> None:
    with pytest.raises(FailedError, match=key):
        instance({**DOCUMENT, key: value})


@pytest.mark.parametrize("values", [{"local_ipv4": "10.0.0.256"}, {"ipv6": "fe80::g"}, {"domain": "a/b"}])
def test_other_values_that_cannot_be(values: dict[str, str]) -> None:
    with pytest.raises(FailedError, match=next(iter(values.values()))):
        instance(**values)


@pytest.mark.parametrize("document", [[], "text", None])
def test_a_document_that_is_no_object(document: object) -> None:
    with pytest.raises(FailedError, match="object"):
        instance(document)


def test_the_first_role_is_the_role() -> None:
    assert imds_values.role("node-role\nother") == "node-role"
    with pytest.raises(FailedError, match="role"):
        imds_values.role("../../user-data")


def test_credentials() -> None:
    found = imds_values.credentials(json.dumps(CREDENTIALS).encode(), "node-role")
    assert (found.access_key_id, found.secret_access_key, found.token) == ("ASIAIOSFODNN7EXAMPLE", "s3cret", "s3ssion")
    assert found.expiration == datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)


def test_credentials_that_ec2_could_not_get() -> None:
    document = json.dumps({"Code": "AssumeRoleUnauthorizedAccess", "Message": "…"}).encode()
    with pytest.raises(TemporaryError, match=r"node-role: AssumeRoleUnauthorizedAccess.*may assume it"):
        imds_values.credentials(document, "node-role")


@pytest.mark.parametrize(
    "change", [{"Token": ""}, {"Expiration": "soon"}, {"Expiration": "2026-02-03T04:05:06"}, {"AccessKeyId": ""}]
)
def test_credentials_that_lack_something_are_not_shown(change: dict[str, str]) -> None:
    with pytest.raises(FailedError) as caught:
        imds_values.credentials(json.dumps({**CREDENTIALS, **change}).encode(), "node-role")
    assert "s3cret" not in repr(caught.value)


@given(st.binary(max_size=60))
def test_any_bytes_give_an_error_of_ours_that_does_not_repeat_them(document: bytes) -> None:
    with pytest.raises(AgentError) as caught:
        imds_values.credentials(document, "node-role")
    assert caught.value.__cause__ is None
