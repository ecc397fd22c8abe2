"""Tokens from the instance role's credentials, as IMDS gives them."""

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from agent.errors import TemporaryError
from agent.host import eks, imds
from agent.host.imds import Imds
from world import imds as service
from world.metadata import Metadata

ROLE = "meta-data/iam/security-credentials/node-role"
IDENTITY = {
    "accountId": "123456789012",
    "availabilityZone": "us-west-2a",
    "imageId": "ami-0f00d1e2a3b4c5d6e",
    "instanceId": "i-0123456789abcdef0",
    "instanceType": "m5.large",
    "region": "us-west-2",
}


def credentials(left: timedelta, key: str = "ASIAIOSFODNN7EXAMPLE") -> str:
    expiration = (datetime.now(UTC) + left).strftime("%Y-%m-%dT%H:%M:%SZ")
    body = {"Code": "Success", "AccessKeyId": key, "SecretAccessKey": "s3cret", "Token": "s3ssion"}
    return json.dumps({**body, "Expiration": expiration})


@pytest.fixture
def metadata() -> Metadata:
    return Metadata(
        {
            "dynamic/instance-identity/document": json.dumps(IDENTITY),
            "meta-data/services/domain": "amazonaws.com",
            ROLE: credentials(timedelta(hours=6)),
        }
    )


@pytest.fixture
def client(metadata: Metadata) -> Iterator[Imds]:
    with service.serving(metadata) as url, imds.connect(url, deadline=0.5) as client:
        yield client


def query_of(token: str) -> dict[str, list[str]]:
    encoded = token.removeprefix("k8s-aws-v1.")
    return parse_qs(urlsplit(base64.urlsafe_b64decode(encoded + "==").decode()).query)


def test_a_token(client: Imds) -> None:
    before = datetime.now(UTC)
    token = eks.token(client, "demo")
    assert query_of(token.value)["X-Amz-Credential"][0].startswith("ASIAIOSFODNN7EXAMPLE/")
    assert timedelta(minutes=13, seconds=50) < token.expires - before <= timedelta(minutes=14, seconds=10)


def test_a_source_keeps_its_token(client: Imds, metadata: Metadata) -> None:
    source = eks.TokenSource(client, "demo")
    first = source()
    asked = len(metadata.requests)
    assert source() == first
    assert len(metadata.requests) == asked


def test_a_source_mints_anew_when_the_token_was_refused_or_is_old(client: Imds, metadata: Metadata) -> None:
    metadata.set(ROLE, credentials(timedelta(seconds=50)))
    source = eks.TokenSource(client, "demo")
    source()  # holds for as long as the credentials do: less than the minute that a source asks for
    metadata.set(ROLE, credentials(timedelta(hours=6), "ASIAIOSFODNN8EXAMPLE"))
    assert query_of(source())["X-Amz-Credential"][0].startswith("ASIAIOSFODNN8EXAMPLE/")
    metadata.set(ROLE, credentials(timedelta(hours=6), "ASIAIOSFODNN9EXAMPLE"))
    source.drop()
    assert query_of(source())["X-Amz-Credential"][0].startswith("ASIAIOSFODNN9EXAMPLE/")


def test_no_role(client: Imds, metadata: Metadata) -> None:
    metadata.remove("meta-data/iam")
    with pytest.raises(TemporaryError, match="attach an instance profile"):
        eks.token(client, "demo")


def test_a_role_without_credentials(client: Imds, metadata: Metadata) -> None:
    metadata.set("meta-data/iam/security-credentials/", "node-role")
    metadata.remove(ROLE)
    with pytest.raises(TemporaryError, match="lists the role node-role"):
        eks.token(client, "demo")


def test_credentials_that_are_over(client: Imds, metadata: Metadata) -> None:
    metadata.set(ROLE, credentials(-timedelta(minutes=1)))
    with pytest.raises(TemporaryError, match="clock"):
        eks.token(client, "demo")


def test_kubelets_plug_in(metadata: Metadata) -> None:
    info = json.dumps({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential"})
    script = "import sys; from agent.host import eks; print(eks.exec_credential('demo', sys.argv[1]))"
    with service.serving(metadata) as url:
        finished = subprocess.run(
            [sys.executable, "-c", script, url],
            env={"KUBERNETES_EXEC_INFO": info},
            capture_output=True,
            text=True,
            check=True,
        )
    printed = json.loads(finished.stdout)
    assert (printed["kind"], printed["apiVersion"]) == ("ExecCredential", "client.authentication.k8s.io/v1")
    assert printed["status"]["token"].startswith("k8s-aws-v1.")
