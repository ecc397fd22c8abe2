"""The way to an API server, asked of real sockets, and told apart by what they answer."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socketserver import BaseRequestHandler
from typing import ClassVar

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from agent import proxies
from agent.host import probe
from agent.host.pool import Pool
from agent.host.probe import ProbeError
from world import pki
from world.listener import Listener, listen
from world.pki import Authority, Identity

HOST = "api.demo.example"


def shifted(authority: Authority, by: timedelta) -> Identity:
    """Certify a server for a day that begins `by` from now."""
    key = ec.generate_private_key(ec.SECP256R1())
    signer = x509.load_pem_x509_certificate(authority.certificate)
    signing = load_pem_private_key(authority.identity.key, None)
    assert isinstance(signing, ec.EllipticCurvePrivateKey)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)]))
        .issuer_name(signer.subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.now(UTC) + by)
        .not_valid_after(datetime.now(UTC) + by + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .sign(signing, hashes.SHA256())
    )
    return Identity(certificate.public_bytes(pki.Encoding.PEM), pki._pem_key(key))


class Handshaker(BaseRequestHandler):
    """Makes the TLS handshake, and says nothing."""

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            self.request.do_handshake()


class Chatter(BaseRequestHandler):
    """Speaks no TLS."""

    def handle(self) -> None:
        self.request.sendall(b"SSH-2.0-OpenSSH_9.9\r\n")


@contextlib.contextmanager
def serving(identity: Identity, folder: Path) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*identity.write(folder, "server"))
    listening = listen("127.0.0.1")
    port: int = listening.getsockname()[1]
    listener = Listener(listening, Handshaker, context)
    listener.start()
    yield port
    listener.stop()


@pytest.fixture
def authority() -> Authority:
    return pki.authority("demo")


@pytest.fixture
def ca(authority: Authority, tmp_path: Path) -> Path:
    path = tmp_path / "ca.crt"
    path.write_bytes(authority.certificate)
    return path


@pytest.fixture
def full() -> Iterator[int]:
    """Give a port whose queue of connections is full: the kernel drops every further SYN."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server, contextlib.ExitStack() as held:
        port: int = server.getsockname()[1]
        for _ in range(4):
            waiting = held.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.1", port))
        yield port


def test_a_name_resolves() -> None:
    assert "127.0.0.1" in probe.resolve("localhost", 443, Pool(1))


NO_NAMES = (".gr7.us-west-2.eks.amazonaws.com", "a..b", "A" * 64 + ".example")


@pytest.mark.parametrize("host", NO_NAMES)
def test_what_is_no_name_is_said_so(host: str) -> None:
    for ask in (
        lambda: probe.resolve(host, 443, Pool(1)),
        lambda: probe.through_proxy(proxies.read(f"http://{host}:3128"), "ecr.example:443"),
    ):
        with pytest.raises(ProbeError, match="is no name that DNS can hold") as caught:
            ask()
        assert caught.value.kind == "name"


def test_an_address_is_its_own() -> None:
    assert probe.resolve("10.0.0.5", 443, Pool(1)) == ("10.0.0.5",)


def test_a_resolver_that_hangs_is_given_up() -> None:
    pool, free = Pool(1), threading.Event()
    pool.start(free.wait)
    started = time.monotonic()
    with pytest.raises(ProbeError, match=r"not resolved within 0.1 s") as caught:
        probe.resolve("localhost", 443, pool, seconds=0.1)
    free.set()
    assert caught.value.kind == "no-answer"
    assert time.monotonic() - started < 2


def test_a_port_that_listens_takes_a_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert probe.connect(["127.0.0.1"], server.getsockname()[1]) == "127.0.0.1"


def test_another_address_is_tried_where_one_refuses() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert probe.connect(["127.0.0.2", "127.0.0.1"], server.getsockname()[1]) == "127.0.0.1"


def test_a_port_where_nothing_listens_refuses() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(ProbeError, match="Connection refused") as caught:
        probe.connect(["127.0.0.1"], port)
    assert caught.value.kind == "refused"


def test_a_port_that_drops_times_out(full: int) -> None:
    with pytest.raises(ProbeError, match=r"did not answer within 0.2 s") as caught:
        probe.connect(["127.0.0.1"], full, seconds=0.2)
    assert caught.value.kind == "timeout"


def test_a_network_without_a_route_is_unreachable() -> None:
    with pytest.raises(ProbeError, match="unreachable") as caught:
        probe.connect(["255.255.255.255"], 443)
    assert caught.value.kind == "unreachable"


def test_a_family_without_a_route_says_nothing_about_the_other(full: int) -> None:
    # TCP to a broadcast address: the kernel says "network is unreachable", and sends nothing.
    with pytest.raises(ProbeError) as caught:
        probe.connect(["255.255.255.255", "127.0.0.1"], full, seconds=0.4)
    assert caught.value.kind == "timeout"


def test_a_handshake_with_the_clusters_ca(authority: Authority, ca: Path, tmp_path: Path) -> None:
    with serving(authority.server(HOST, names=[HOST]), tmp_path) as port:
        assert probe.handshake("127.0.0.1", port, HOST, ca) == "TLSv1.3"


def test_a_handshake_without_an_authority_key_identifier(authority: Authority, ca: Path, tmp_path: Path) -> None:
    """Go, and so kubelet, takes such certificates; Python's default context does not from 3.13 on."""
    with serving(shifted(authority, timedelta(hours=-1)), tmp_path) as port:
        assert probe.handshake("127.0.0.1", port, HOST, ca) == "TLSv1.3"


@pytest.mark.parametrize(
    "certificate",
    [
        ("other.example", timedelta(hours=-1), "hostname"),
        (HOST, timedelta(days=-3), "expired"),
        (HOST, timedelta(days=1), "not-yet-valid"),
    ],
)
def test_what_is_wrong_with_a_certificate(
    authority: Authority, ca: Path, tmp_path: Path, certificate: tuple[str, timedelta, str]
) -> None:
    host, by, kind = certificate
    with serving(shifted(authority, by), tmp_path) as port, pytest.raises(ProbeError, match="is refused") as caught:
        probe.handshake("127.0.0.1", port, host, ca)
    assert caught.value.kind == kind


def test_a_certificate_of_another_ca(ca: Path, tmp_path: Path) -> None:
    other = pki.authority("other").server(HOST, names=[HOST])
    with serving(other, tmp_path) as port, pytest.raises(ProbeError) as caught:
        probe.handshake("127.0.0.1", port, HOST, ca)
    assert caught.value.kind == "issuer"


@pytest.mark.parametrize("content", [None, b"", b"not a certificate"])
def test_a_ca_that_is_none(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "ca.crt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ProbeError, match="holds no certificate") as caught:
        probe.handshake("127.0.0.1", 1, HOST, path)
    assert caught.value.kind == "ca"


def test_a_server_that_speaks_no_tls(ca: Path) -> None:
    listening = listen("127.0.0.1")
    listener = Listener(listening, Chatter)
    listener.start()
    with pytest.raises(ProbeError, match="no TLS") as caught:
        probe.handshake("127.0.0.1", listening.getsockname()[1], HOST, ca)
    listener.stop()
    assert caught.value.kind == "protocol"


def test_a_server_that_takes_the_connection_and_is_silent(ca: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        pytest.raises(ProbeError, match=r"within 0.2 s") as caught,
    ):
        probe.handshake("127.0.0.1", server.getsockname()[1], HOST, ca, seconds=0.2)
    assert caught.value.kind == "timeout"


class Proxy(BaseRequestHandler):
    """Answers every request with the same bytes, and keeps what it was asked."""

    says = b""
    heard: ClassVar[list[bytes]] = []

    def handle(self) -> None:
        self.heard.append(self.request.recv(4096))
        self.request.sendall(self.says)


def proxy_saying(answer: bytes) -> type[Proxy]:
    return type("Saying", (Proxy,), {"says": answer, "heard": []})


@contextlib.contextmanager
def proxying(answer: bytes) -> Iterator[tuple[str, list[bytes]]]:
    handler = proxy_saying(answer)
    listening = listen("127.0.0.1")
    listener = Listener(listening, handler)
    listener.start()
    try:
        yield f"127.0.0.1:{listening.getsockname()[1]}", handler.heard
    finally:
        listener.stop()


@pytest.mark.parametrize("status", [200, 403, 407])
def test_the_answer_of_a_proxy_is_its_status(status: int) -> None:
    with proxying(f"HTTP/1.1 {status} So\r\n\r\n".encode()) as (address, heard):
        assert probe.through_proxy(proxies.read(address), "ecr.example:443") == (address, status)
    assert heard[0].startswith(b"CONNECT ecr.example:443 HTTP/1.1\r\nHost: ecr.example:443\r\n")


def test_a_proxy_is_given_its_credentials_and_nobody_else_is() -> None:
    with proxying(b"HTTP/1.1 200 OK\r\n\r\n") as (address, heard):
        named, _ = probe.through_proxy(proxies.read(f"user:p%40ss@{address}"), "ecr.example:443")
    assert named == address
    assert b"Proxy-Authorization: Basic dXNlcjpwQHNz" in heard[0]


def test_what_is_no_proxy_is_said_so() -> None:
    with proxying(b"SSH-2.0-x\r\n") as (address, _), pytest.raises(ProbeError) as caught:
        probe.through_proxy(proxies.read(address), "ecr.example:443")
    assert caught.value.kind == "protocol"


@pytest.mark.parametrize(
    ("url", "kind"),
    [("http://127.0.0.1:1", "refused"), ("http://proxy.invalid:3128", "name")],
)
def test_a_proxy_that_cannot_be_asked(url: str, kind: str) -> None:
    with pytest.raises(ProbeError) as caught:
        probe.through_proxy(proxies.read(url), "ecr.example:443")
    assert caught.value.kind == kind


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_takes_connections_and_is_silent_was_reached(scheme: str) -> None:
    with contextlib.closing(listen("127.0.0.1")) as listening:
        proxy = proxies.read(f"{scheme}://127.0.0.1:{listening.getsockname()[1]}")
        with pytest.raises(ProbeError) as caught:
            probe.through_proxy(proxy, "ecr.example:443", seconds=0.2)
    assert caught.value.kind == "silent"
    assert "does not answer CONNECT ecr.example:443 within 0.2 s" in caught.value.message


def test_a_proxy_that_hangs_up_is_none() -> None:
    with proxying(b"") as (address, _), pytest.raises(ProbeError) as caught:
        probe.through_proxy(proxies.read(address), "ecr.example:443")
    assert caught.value.kind == "protocol"
