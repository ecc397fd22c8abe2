"""The simulated metadata service answers as EC2's does."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from world import imds
from world.metadata import Body, Fault, Metadata

MACS = "meta-data/network/interfaces/macs"
TREE: dict[str, Body] = {
    "meta-data/instance-id": "i-0123456789abcdef0",
    "meta-data/iam/security-credentials/node-role": "{}",
    f"{MACS}/02:00:00:00:00:01/device-number": "0",
    f"{MACS}/02:00:00:00:00:02/device-number": "1",
    "user-data": b"\x1f\x8b\x00",
}


class Client:
    """A keep-alive connection that says nothing which is not asked of it."""

    def __init__(self, url: str) -> None:
        self.connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=1)

    def ask(self, method: str, path: str, **headers: str) -> tuple[int, bytes]:
        self.connection.request(method, path, headers={name.replace("_", "-"): text for name, text in headers.items()})
        answer = self.connection.getresponse()
        return answer.status, answer.read()

    def token(self, ttl: int = 60) -> str:
        status, body = self.ask("PUT", "/latest/api/token", X_aws_ec2_metadata_token_ttl_seconds=str(ttl))
        assert status == 200
        return body.decode()

    def get(self, path: str) -> tuple[int, bytes]:
        return self.ask("GET", f"/latest/{path}", X_aws_ec2_metadata_token=self.token())


@pytest.fixture
def metadata() -> Metadata:
    return Metadata(TREE)


@pytest.fixture
def client(metadata: Metadata) -> Iterator[Client]:
    with imds.serving(metadata) as url:
        client = Client(url)
        yield client
        client.connection.close()


def test_values_and_listings(client: Client) -> None:
    assert client.get("meta-data/instance-id") == (200, b"i-0123456789abcdef0")
    assert client.get("user-data") == (200, b"\x1f\x8b\x00")
    assert client.get(f"{MACS}/") == (200, b"02:00:00:00:00:01/\n02:00:00:00:00:02/")
    assert client.get("meta-data/iam/security-credentials/") == (200, b"node-role")
    assert client.get("meta-data/spot/instance-action") == (404, b"")


@pytest.mark.parametrize("ttl", ["0", "21601", "-1", "soon", ""])
def test_a_token_needs_a_lifetime_in_range(client: Client, ttl: str) -> None:
    assert client.ask("PUT", "/latest/api/token", X_aws_ec2_metadata_token_ttl_seconds=ttl)[0] == 400


def test_a_forwarded_or_versioned_token_request_is_refused(client: Client) -> None:
    ttl = "60"
    forwarded = client.ask(
        "PUT", "/latest/api/token", X_aws_ec2_metadata_token_ttl_seconds=ttl, X_Forwarded_For="10.0.0.1"
    )
    versioned = client.ask("PUT", "/2021-07-15/api/token", X_aws_ec2_metadata_token_ttl_seconds=ttl)
    assert (forwarded[0], versioned[0]) == (403, 403)


def test_without_a_living_token_there_is_nothing(client: Client, metadata: Metadata) -> None:
    path = "/latest/meta-data/instance-id"
    assert client.ask("GET", path)[0] == 401
    token = client.token()
    assert client.ask("GET", path, X_aws_ec2_metadata_token=token)[0] == 200
    metadata.forget_tokens()
    assert client.ask("GET", path, X_aws_ec2_metadata_token=token)[0] == 401


def test_the_fault_with_the_longest_path_wins_and_can_be_healed(client: Client, metadata: Metadata) -> None:
    metadata.fault("meta-data", Fault(status=503, retry_after=3))
    metadata.fault("meta-data/instance-id", Fault(empty=True))
    assert client.get("meta-data/instance-id") == (200, b"")
    assert client.get(f"{MACS}/")[0] == 503
    metadata.heal()
    assert client.get("meta-data/instance-id") == (200, b"i-0123456789abcdef0")
    assert [request.status for request in metadata.requests] == [200, 200, 200, 503, 200, 200]


def test_a_key_can_appear_late_also_in_listings(client: Client, metadata: Metadata) -> None:
    late = f"{MACS}/02:00:00:00:00:02"
    metadata.fault(late, Fault(visible_after=0.3))
    since = time.monotonic()
    assert client.get(f"{MACS}/") == (200, b"02:00:00:00:00:01/")
    while client.get(f"{late}/device-number")[0] == 404:
        assert time.monotonic() < since + 5
    assert time.monotonic() >= since + 0.3
    assert client.get(f"{MACS}/")[1].count(b"\n") == 1


def test_a_request_can_hang(client: Client, metadata: Metadata) -> None:
    metadata.fault("api/token", Fault(hang=True))
    with pytest.raises(TimeoutError):
        client.token()


def test_only_the_token_reply_is_short_lived() -> None:
    """Seen in the packets themselves: the client reads the TTL they arrived with."""
    metadata = Metadata(TREE, hop_limit=3)
    with imds.serving(metadata) as url:
        parts = urlsplit(url)
        lifetimes = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
        lifetimes.settimeout(2)
        client = Client(url)
        token = client.token()
        client.ask("GET", "/latest/meta-data/instance-id", X_aws_ec2_metadata_token=token)
        client.connection.close()
        seen = [packet[8] for packet in _replies(lifetimes, parts.port or 0)]
        lifetimes.close()
    assert len(seen) == 2
    assert seen == [3, 64]


def _replies(raw: socket.socket, port: int) -> list[bytes]:
    """Return the packets with a body that the server sent, until it had sent two."""
    found: list[bytes] = []
    while len(found) < 2:
        packet = raw.recv(65536)
        head = 20 + (packet[32] >> 4) * 4
        if int.from_bytes(packet[20:22], "big") == port and len(packet) > head:
            found.append(packet)
    return found
