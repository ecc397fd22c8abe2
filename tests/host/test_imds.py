"""The IMDS client against a real server: time-outs, several addresses, kept connections, one deadline."""

import contextlib
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from agent.eni import read_tree
from agent.errors import AgentError, FailedError, SettingsError, TemporaryError
from agent.host import imds
from agent.host.dial import Address
from agent.host.imds import Imds
from agent.model import Unknown
from world import imds as service
from world.metadata import Fault, Metadata

MACS = "meta-data/network/interfaces/macs"
FIRST, SECOND = f"{MACS}/02:00:00:00:00:01", f"{MACS}/02:00:00:00:00:02"
CORE = {"owner-id": "1", "subnet-id": "subnet-0a", "vpc-id": "vpc-0a"}
IDENTITY = {
    "accountId": "123456789012",
    "availabilityZone": "us-west-2a",
    "imageId": "ami-0f00d1e2a3b4c5d6e",
    "instanceId": "i-0123456789abcdef0",
    "instanceType": "m5.large",
    "region": "us-west-2",
}
CREDENTIALS = {
    "Code": "Success",
    "AccessKeyId": "ASIAIOSFODNN7EXAMPLE",
    "SecretAccessKey": "s3cret",
    "Token": "s3ssion",
    "Expiration": "2096-02-03T04:05:06Z",
}
TREE: dict[str, str | bytes] = {
    "dynamic/instance-identity/document": json.dumps(IDENTITY),
    "meta-data/instance-id": "i-0123456789abcdef0\n",
    "meta-data/local-ipv4": "10.0.0.4",
    "meta-data/mac": "02:00:00:00:00:01",
    "meta-data/services/domain": "amazonaws.com",
    "meta-data/iam/security-credentials/node-role": json.dumps(CREDENTIALS),
    **{f"{FIRST}/{key}": value for key, value in CORE.items()},
    **{f"{SECOND}/{key}": value for key, value in CORE.items()},
    f"{FIRST}/mac": "02:00:00:00:00:01",
    f"{FIRST}/device-number": "0",
    f"{FIRST}/interface-id": "eni-0123456789abcdef0",
    f"{FIRST}/local-ipv4s": "10.0.0.4",
    f"{SECOND}/mac": "02:00:00:00:00:02",
    f"{SECOND}/device-number": "1",
    f"{SECOND}/interface-id": "eni-0123456789abcdef1",
    "user-data": b"\x1f\x8b\x00\xff\n",
}


@pytest.fixture
def metadata() -> Metadata:
    return Metadata(TREE)


@pytest.fixture
def client(metadata: Metadata) -> Iterator[Imds]:
    with service.serving(metadata) as url, imds.connect(url, deadline=5.0) as client:
        yield client


def statuses(metadata: Metadata) -> list[tuple[str, int]]:
    return [(request.method, request.status) for request in metadata.requests]


def silent_listener() -> socket.socket:
    """Return a socket that takes connections and never says a word."""
    return socket.create_server(("127.0.0.1", 0))


def test_values_and_absences(client: Imds) -> None:
    assert client.get("meta-data/instance-id") == "i-0123456789abcdef0"
    assert client.get("meta-data/spot/instance-action") is None
    assert client.user_data() == b"\x1f\x8b\x00\xff\n"


def test_an_instance_without_user_data(client: Imds, metadata: Metadata) -> None:
    metadata.remove("user-data")
    assert client.user_data() is None


def test_who_this_is(client: Imds) -> None:
    found = client.instance()
    assert (found.instance_id, found.region, found.availability_zone) == (
        "i-0123456789abcdef0",
        "us-west-2",
        "us-west-2a",
    )
    assert (found.local_ipv4, found.ipv6, found.domain) == ("10.0.0.4", None, "amazonaws.com")


def test_an_identity_that_is_not_there_yet_is_waited_for(client: Imds, metadata: Metadata) -> None:
    metadata.fault("dynamic", Fault(visible_after=0.3))
    assert client.instance().account_id == "123456789012"
    assert client.counters.attempts > 1


def test_credentials(client: Imds, metadata: Metadata) -> None:
    found = client.credentials()
    assert found is not None
    assert found.access_key_id == "ASIAIOSFODNN7EXAMPLE"
    metadata.remove("meta-data/iam")
    assert client.credentials() is None


def test_credentials_of_a_role_that_cannot_be_assumed(client: Imds, metadata: Metadata) -> None:
    metadata.set("meta-data/iam/security-credentials/node-role", '{"Code": "Failed"}')
    with pytest.raises(TemporaryError, match=r"node-role: Failed.*instance profile"):
        client.credentials(within=0.2)


def test_one_connection_and_one_token_serve_many_reads(metadata: Metadata) -> None:
    with service.serving(metadata) as url, imds.connect(url) as client:
        for _ in range(3):
            client.get("meta-data/instance-id")
    assert statuses(metadata) == [("PUT", 200), ("GET", 200), ("GET", 200), ("GET", 200)]
    assert client.counters.statuses == {200: 4}


def test_a_connection_that_the_service_has_closed_is_made_anew(metadata: Metadata) -> None:
    with ExitStack() as stack:
        listening = service.listen("127.0.0.1")
        address = Address("127.0.0.1", listening.getsockname()[1])
        first = service.Service([listening], lambda _source: metadata)
        first.start()
        client = stack.enter_context(Imds([address]))
        client.get("meta-data/instance-id")
        first.stop()
        second = service.Service([service.listen("127.0.0.1", address.port)], lambda _source: metadata)
        second.start()
        stack.callback(second.stop)
        assert client.get("meta-data/instance-id") == "i-0123456789abcdef0"
        assert client.counters.failures == 0


@pytest.mark.parametrize("ahead", [0, 7200, -86400])
def test_every_answer_tells_how_far_the_clock_is_off(client: Imds, metadata: Metadata, ahead: int) -> None:
    assert client.clock_ahead is None
    metadata.clock_ahead = ahead
    client.get("meta-data/mac")
    assert client.clock_ahead is not None
    # The header has whole seconds; a busy machine may lose some more.
    assert -60 < client.clock_ahead.total_seconds() + ahead < 60


def test_a_forgotten_token_is_renewed_once(client: Imds, metadata: Metadata) -> None:
    client.get("meta-data/instance-id")
    metadata.forget_tokens()
    client.get("meta-data/instance-id")
    assert statuses(metadata)[2:] == [("GET", 401), ("PUT", 200), ("GET", 200)]


def test_a_service_that_comes_late_is_waited_for(client: Imds, metadata: Metadata) -> None:
    metadata.fault("", Fault(status=503))
    timer = threading.Timer(0.4, metadata.heal)
    timer.start()
    assert client.get("meta-data/instance-id") == "i-0123456789abcdef0"
    timer.join()
    assert client.counters.attempts > 1


def test_the_service_says_when_to_come_back(client: Imds, metadata: Metadata) -> None:
    metadata.fault("meta-data", Fault(status=429, retry_after=1))
    timer = threading.Timer(0.2, metadata.heal)
    started = time.monotonic()
    timer.start()
    client.get("meta-data/instance-id")
    timer.join()
    assert time.monotonic() - started >= 1.0


@pytest.mark.parametrize("status", [403, 404, 500, 503])
def test_a_service_that_gives_no_token_is_unknown_at_the_deadline(
    client: Imds, metadata: Metadata, status: int
) -> None:
    metadata.fault("api/token", Fault(status=status))
    started = time.monotonic()
    with pytest.raises(TemporaryError, match=str(status)):
        client.get("meta-data/instance-id", within=0.6)
    assert time.monotonic() - started < 1.5
    assert ("GET", 200) not in statuses(metadata), "there is no way around the token"


def test_a_value_with_control_characters_is_refused(client: Imds, metadata: Metadata) -> None:
    metadata.set("meta-data/instance-id", "i-0\x1b]0;")
    with pytest.raises(FailedError, match="control characters"):
        client.get("meta-data/instance-id")


def test_a_token_request_without_an_answer_names_the_hop_limit(client: Imds, metadata: Metadata) -> None:
    metadata.fault("api/token", Fault(hang=True))
    with pytest.raises(TemporaryError, match=r"PUT /latest/api/token .*hop limit"):
        client.get("meta-data/instance-id", within=0.5)


def test_a_renewal_without_an_answer_names_it_too(client: Imds, metadata: Metadata) -> None:
    client.get("meta-data/instance-id")
    metadata.forget_tokens()
    metadata.fault("api/token", Fault(hang=True))
    with pytest.raises(TemporaryError, match="hop limit"):
        client.get("meta-data/instance-id", within=0.5)


def test_a_value_without_an_answer_does_not(client: Imds, metadata: Metadata) -> None:
    metadata.fault("meta-data", Fault(hang=True))
    with pytest.raises(TemporaryError) as caught:
        client.get("meta-data/instance-id", within=0.5)
    assert "hop limit" not in str(caught.value)


@pytest.mark.parametrize("is_connected", [True, False])
def test_there_is_time_for_other_things_while_it_is_silent(
    client: Imds, metadata: Metadata, *, is_connected: bool
) -> None:
    done: list[str] = []
    client.while_waiting(lambda: done.append("something"))
    if is_connected:
        client.get("meta-data/instance-id")
    metadata.fault("", Fault(hang=True))
    look = client.lookup(within=0.5)
    assert isinstance(look("meta-data/local-ipv4"), Unknown)
    assert len(done) > 1


def test_nobody_listens() -> None:
    with imds.connect("http://127.0.0.1:1") as client, pytest.raises(TemporaryError, match=r"refused.*interface"):
        client.get("meta-data/instance-id", within=0.3)


def test_no_token_in_an_error(client: Imds, metadata: Metadata) -> None:
    client.get("meta-data/instance-id")
    tokens = list(metadata._tokens)
    metadata.fault("meta-data", Fault(hang=True))
    with pytest.raises(TemporaryError) as caught:
        client.get("meta-data/instance-id", within=0.3)
    shown = f"{caught.getrepr(showlocals=False)} {client!r} {client.counters!r}"
    assert tokens
    assert not any(token in shown for token in tokens)


class TestTwoAddresses:
    """What is said for IPv4 and IPv6 of the real service, on two loopback addresses."""

    def test_the_second_answers_where_the_first_is_silent(self, metadata: Metadata) -> None:
        with silent_listener() as silent, service.serving(metadata, "127.0.0.2") as url:
            addresses = [Address("127.0.0.1", silent.getsockname()[1]), address_of(url)]
            with Imds(addresses) as client:
                started = time.monotonic()
                assert client.get("meta-data/instance-id") == "i-0123456789abcdef0"
                assert 0.2 <= time.monotonic() - started < 2.0
                silent.settimeout(0)
                silent.accept()[0].close()
                client.get("meta-data/local-ipv4")
                with pytest.raises(BlockingIOError):
                    silent.accept()  # the winner is kept: the first address is asked no more

    def test_one_that_is_disabled_loses(self, metadata: Metadata) -> None:
        disabled = Metadata({})
        disabled.fault("", Fault(status=403))
        with (
            service.serving(disabled) as first,
            service.serving(metadata, "127.0.0.2") as second,
            Imds([address_of(first), address_of(second)]) as client,
        ):
            assert client.get("meta-data/instance-id") == "i-0123456789abcdef0"

    def test_the_other_takes_over_when_the_winner_fails_later(self, metadata: Metadata) -> None:
        other = Metadata(TREE)
        with (
            service.serving(metadata) as first,
            service.serving(other, "127.0.0.2") as second,
            Imds([address_of(first), address_of(second)]) as client,
        ):
            client.get("meta-data/instance-id")
            metadata.fault("", Fault(hang=True))
            with pytest.raises(TemporaryError):
                client.get("meta-data/local-ipv4", within=0.3)
            assert client.get("meta-data/local-ipv4", within=2.0) == "10.0.0.4"
        assert ("GET", 200) in statuses(other)

    def test_an_ipv6_address(self, metadata: Metadata) -> None:
        with service.serving(metadata, "::1") as url, imds.connect(url) as client:
            assert client.get("meta-data/instance-id") == "i-0123456789abcdef0"


class TestHostileAnswers:
    """A server that is no metadata service must not take the client in, nor fill its memory."""

    @pytest.mark.parametrize(
        "answer",
        [
            b"",
            b"nonsense\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
            b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n" + b"a" * 2_000_000,
            b"HTTP/1.1 200 OK\r\n\r\n" + b"a" * 2_000_000,
        ],
    )
    def test_it_is_unknown(self, answer: bytes) -> None:
        with silent_listener() as listening:
            listening.settimeout(0.05)
            stop = threading.Event()
            thread = threading.Thread(target=answer_all, args=(listening, answer, stop))
            thread.start()
            try:
                with Imds([Address("127.0.0.1", listening.getsockname()[1])]) as client, pytest.raises(TemporaryError):
                    client.get("meta-data/instance-id", within=0.5)
            finally:
                stop.set()
                thread.join()


class TestEndpoints:
    def test_the_environment_names_one_and_a_proxy_is_passed_by(self, metadata: Metadata) -> None:
        script = "from agent.host import imds; print(imds.connect().get('meta-data/local-ipv4'))"
        nowhere = "http://127.0.0.1:1"
        with service.serving(metadata) as url:
            environment = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": url + "/", "http_proxy": nowhere, "HTTP_PROXY": nowhere}
            finished = subprocess.run(
                [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
            )
        assert finished.stdout == "10.0.0.4\n"

    @pytest.mark.parametrize(
        "url",
        ["https://[::1]", "http://imds.example", "http://127.0.0.1/x", "http://u@127.0.0.1", "nonsense", "http://[::"],
    )
    def test_one_that_cannot_be(self, url: str) -> None:
        with pytest.raises(SettingsError, match="such as http"):
            imds.connect(url)

    def test_localhost_is_both_loopback_addresses(self, metadata: Metadata) -> None:
        with service.serving(metadata) as url, imds.connect(url.replace("127.0.0.1", "localhost")) as client:
            assert client.get("meta-data/local-ipv4") == "10.0.0.4"


class TestInterfaces:
    def test_all_of_them_in_one_pass(self, client: Imds, metadata: Metadata) -> None:
        tree = read_tree(client.lookup())
        assert isinstance(tree.enis, tuple)
        assert [(each.eni_id, each.device_number) for each in tree.enis] == [
            ("eni-0123456789abcdef0", 0),
            ("eni-0123456789abcdef1", 1),
        ]
        assert tree.primary_mac == "02:00:00:00:00:01"
        assert len(metadata.requests) == 1 + 2 + 2 + 5 + 4  # the token, mac and macs/, two listings, their keys

    @pytest.mark.parametrize("fault", [Fault(status=503), Fault(hang=True), Fault(empty=True), Fault(status=404)])
    def test_a_key_that_fails_is_unknown_and_alone(self, client: Imds, metadata: Metadata, fault: Fault) -> None:
        metadata.fault(f"{FIRST}/local-ipv4s", fault)
        tree = read_tree(client.lookup())
        assert isinstance(tree.enis, tuple)
        assert isinstance(tree.enis[0].ipv4s, Unknown)
        assert tree.enis[0].eni_id == "eni-0123456789abcdef0"
        assert tree.enis[1].device_number == 1

    def test_a_mac_without_a_listing_is_unknown_and_alone(self, client: Imds, metadata: Metadata) -> None:
        metadata.fault(f"{FIRST}/", Fault(status=404))
        tree = read_tree(client.lookup())
        assert isinstance(tree.enis, tuple)
        assert isinstance(tree.enis[0].eni_id, Unknown)
        assert tree.enis[1].eni_id == "eni-0123456789abcdef1"

    def test_a_dead_service_makes_everything_unknown_in_bounded_time(self, client: Imds, metadata: Metadata) -> None:
        metadata.fault("", Fault(hang=True))
        started = time.monotonic()
        tree = read_tree(client.lookup(within=1.0))
        assert isinstance(tree.enis, Unknown)
        assert isinstance(tree.primary_mac, Unknown)
        assert time.monotonic() - started < 3.0

    def test_a_disabled_service_is_unknown_too(self, client: Imds, metadata: Metadata) -> None:
        metadata.fault("api/token", Fault(status=400))
        tree = read_tree(client.lookup())
        assert isinstance(tree.enis, Unknown)
        assert "400" in tree.enis.reason


def test_every_failure_is_one_of_ours(client: Imds, metadata: Metadata) -> None:
    for status in range(300, 600, 7):
        metadata.fault("meta-data", Fault(status=status))
        with pytest.raises(AgentError):
            client.get("meta-data/instance-id", within=0.0)


def address_of(url: str) -> Address:
    host, _, port = url.removeprefix("http://").rpartition(":")
    return Address(host, int(port))


def answer_all(listening: socket.socket, answer: bytes, stop: threading.Event) -> None:
    """Say the same to everybody, and close."""
    while not stop.is_set():
        try:
            connection = listening.accept()[0]
        except TimeoutError:
            continue
        with connection:
            connection.settimeout(1.0)
            connection.recv(65536)
            with contextlib.suppress(OSError):  # the client may hang up first, as it should
                connection.sendall(answer)
