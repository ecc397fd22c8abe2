import contextlib
import os
import socket
import ssl
from pathlib import Path

import pytest
from host.connect_proxy import proxying
from host.tls_server import HOST, Answer, Server, read_body, respond, say, serving

from agent.errors import AgentError, FailedError, TemporaryError
from agent.host.https import Response
from agent.host.upload import Pace, Parcel, Target, Uploader
from agent.proxies import Proxy
from world import namespaces

NOWHERE = ("127.0.0.1", 0)
BODY = bytes(range(256)) * 20_000
DENIED = respond("403 Forbidden", b"<Error><Code>AccessDenied</Code></Error>")


def ignore(_peer: str, _own: str) -> None:
    """Any peer is good."""


def put(server: Server, source: Path, *, host: str = HOST) -> Response:
    source.write_bytes(BODY)
    target = Target(host, server.port, "/bucket/key?X-Amz-Signature=abc")
    return Uploader(ca_bundle=server.authority).send(target, Parcel(source), check_peer=ignore)


def put_to(answer: Answer, folder: Path) -> tuple[Response, Server]:
    with serving(folder, answer) as server:
        return put(server, folder / "bundle"), server


def test_a_file_arrives_whole_with_its_length_and_the_host_that_was_signed(tmp_path: Path) -> None:
    answer, server = put_to(say(respond("200 OK", etag="x")), tmp_path)
    assert answer.status == 200
    assert server.bodies == [BODY]
    head = server.heads[0].splitlines()
    assert head[0] == "PUT /bucket/key?X-Amz-Signature=abc HTTP/1.1"
    assert f"Content-Length: {len(BODY)}" in head
    assert f"Host: localhost:{server.port}" in head
    assert "Transfer-Encoding" not in server.heads[0]


def test_a_server_that_refuses_at_once_is_heard_before_the_body_is_sent(tmp_path: Path) -> None:
    def refuse(link: ssl.SSLSocket, _head: str, rest: bytes) -> bytes:
        link.sendall(DENIED)
        return rest

    answer, server = put_to(refuse, tmp_path)
    assert (answer.status, answer.body) == (403, b"<Error><Code>AccessDenied</Code></Error>")
    assert server.bodies == [b""]


def test_a_server_that_refuses_in_the_middle_is_heard(tmp_path: Path) -> None:
    def refuse(link: ssl.SSLSocket, _head: str, rest: bytes) -> bytes:
        link.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        rest += link.recv(1 << 16)
        link.sendall(DENIED)
        return rest

    answer, server = put_to(refuse, tmp_path)
    assert answer.status == 403
    assert len(server.bodies[0]) < len(BODY)


def test_a_server_that_does_not_know_expect_gets_the_body_all_the_same(tmp_path: Path) -> None:
    def silent(link: ssl.SSLSocket, head: str, rest: bytes) -> bytes:
        body = read_body(link, head.replace("100-continue", ""), rest)
        link.sendall(respond("200 OK"))
        return body

    answer, server = put_to(silent, tmp_path)
    assert answer.status == 200
    assert server.bodies == [BODY]


def test_an_answer_is_read_up_to_a_limit(tmp_path: Path) -> None:
    answer, _ = put_to(say(respond("500 Internal Server Error", b"x" * (1 << 20))), tmp_path)
    assert len(answer.body) == 16 << 10


def test_a_redirect_is_an_answer_and_not_followed(tmp_path: Path) -> None:
    answer, server = put_to(say(respond("307 Temporary Redirect", location="https://169.254.169.254/")), tmp_path)
    assert answer.status == 307
    assert len(server.heads) == 1


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200", b"SSH-2.0-OpenSSH_9.2\r\n"])
def test_a_broken_answer_may_be_tried_again(tmp_path: Path, said: bytes) -> None:
    with pytest.raises(TemporaryError, match="localhost"):
        put_to(say(said), tmp_path)


def test_a_certificate_that_is_not_trusted_is_final(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with serving(tmp_path / "a", say(respond("200 OK"))) as one, serving(tmp_path / "b", say(respond("200 OK"))) as two:
        with pytest.raises(FailedError, match="is not trusted"):
            put(Server(one.port, two.authority), tmp_path / "bundle")
        with pytest.raises(FailedError, match="is not trusted"):
            put(one, tmp_path / "bundle", host="127.0.0.1")
        assert one.heads == []


def test_nobody_listens(tmp_path: Path) -> None:
    with serving(tmp_path, say(b"")) as server, socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
        free.close()
        with pytest.raises(TemporaryError, match="Connection refused"):
            put(Server(port, server.authority), tmp_path / "bundle")


@pytest.mark.netns
@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1"])
def test_a_host_without_a_route_may_be_reached_later(tmp_path: Path, host: str) -> None:
    name = f"natest-{os.getpid()}-bare"
    with contextlib.ExitStack() as undo, serving(tmp_path, say(b"")) as server:
        undo.callback(namespaces.delete, name)
        namespaces.make(name)
        with namespaces.entered(name), pytest.raises(TemporaryError, match=r"cannot connect to .*: Network is unreach"):
            put(server, tmp_path / "bundle", host=host)


def test_a_file_that_is_gone_is_said(tmp_path: Path) -> None:
    with serving(tmp_path, say(respond("200 OK"))) as server:
        target, uploader = Target(HOST, server.port, "/k"), Uploader(ca_bundle=server.authority)
        with pytest.raises(FailedError, match="cannot read bundle"):
            uploader.send(target, Parcel(tmp_path / "bundle"), check_peer=ignore)


def test_a_missing_ca_bundle_may_come_yet(tmp_path: Path) -> None:
    with pytest.raises(TemporaryError, match="cannot read the CA bundle"):
        put(Server(1, tmp_path / "none"), tmp_path / "bundle")


def test_a_refused_peer_gets_not_even_a_handshake(tmp_path: Path) -> None:
    def refuse(peer: str, own: str) -> None:
        raise FailedError(f"{peer} {own} is refused")

    with serving(tmp_path, say(respond("200 OK"))) as server:
        target = Target(HOST, server.port, "/")
        with pytest.raises(FailedError, match=r"127\.0\.0\.1 127\.0\.0\.1 is refused"):
            Uploader(ca_bundle=server.authority).send(target, Parcel(tmp_path / "ca.crt"), check_peer=refuse)
        assert server.heads == []


def test_every_wait_can_be_ended(tmp_path: Path) -> None:
    class StopError(Exception):
        """What a daemon raises."""

    def tick() -> None:
        if server.heads:
            raise StopError

    def silent(link: ssl.SSLSocket, _head: str, _rest: bytes) -> bytes:
        return link.recv(1)

    with serving(tmp_path, silent) as server, pytest.raises(StopError):
        Uploader(tick, server.authority).send(
            Target(HOST, server.port, "/"), Parcel(tmp_path / "ca.crt"), check_peer=ignore
        )


def test_no_secret_is_in_a_repr_or_an_error(tmp_path: Path) -> None:
    target = Target("localhost", 1, "/key?X-Amz-Signature=abc")
    assert "abc" not in repr(target)
    with serving(tmp_path, say(b"")) as server:
        with pytest.raises(AgentError) as caught:
            Uploader(ca_bundle=server.authority).send(target, Parcel(tmp_path / "ca.crt"), check_peer=ignore)
        assert "abc" not in f"{caught.value!r} {caught.value}"


def test_what_stands_around_the_file_is_part_of_the_body(tmp_path: Path) -> None:
    (tmp_path / "chunk").write_bytes(b"chunk")
    with serving(tmp_path, say(respond("204 No Content"))) as server:
        parcel = Parcel(tmp_path / "chunk", "POST", {"Content-Type": "multipart/form-data"}, b"<", b">")
        Uploader(ca_bundle=server.authority).send(Target(HOST, server.port, "/"), parcel, check_peer=ignore)
    assert server.bodies == [b"<chunk>"]
    assert "Content-Length: 7" in server.heads[0]
    assert "Content-Type: multipart/form-data" in server.heads[0]


def through(proxy: Proxy, server: Server, source: Path, seen: list[tuple[str, str]]) -> Response:
    target = Target("s3.example.com", server.port, "/key?X-Amz-Signature=abc", proxy=proxy)
    return Uploader(ca_bundle=server.authority).send(
        target, Parcel(source), check_peer=lambda peer, own: seen.append((peer, own))
    )


def test_a_proxy_resolves_the_host_and_sees_nothing_of_the_url(tmp_path: Path) -> None:
    (tmp_path / "bundle").write_bytes(BODY)
    seen: list[tuple[str, str]] = []
    with (
        serving(tmp_path, say(respond("200 OK")), "s3.example.com") as server,
        proxying(("127.0.0.1", server.port)) as proxy,
    ):
        way = Proxy("localhost", proxy.port, "Basic dXNlcjpub3QtYS1zZWNyZXQ=")
        assert through(way, server, tmp_path / "bundle", seen).status == 200
    assert server.bodies == [BODY]
    assert proxy.heads == [
        f"CONNECT s3.example.com:{server.port} HTTP/1.1\r\nHost: s3.example.com:{server.port}\r\n"
        "Proxy-Authorization: Basic dXNlcjpub3QtYS1zZWNyZXQ=\r\n\r\n"
    ]
    assert seen == [("s3.example.com", "")]
    assert "dXNlcjpub3QtYS1zZWNyZXQ" not in repr(way)


def test_a_proxy_that_wants_tls_itself_carries_it_whole(tmp_path: Path) -> None:
    # More than the buffers on the way take: the sender must wait in the middle of a record.
    body, answer = BODY * 8, os.urandom(12 << 10)
    (tmp_path / "bundle").write_bytes(body)
    with (
        serving(tmp_path, say(respond("200 OK", answer)), "s3.example.com", HOST) as server,
        proxying(("127.0.0.1", server.port), context=server.context) as proxy,
    ):
        given = through(Proxy(HOST, proxy.port, "Basic c2VjcmV0", secured=True), server, tmp_path / "bundle", [])
    assert (given.status, given.body) == (200, answer)
    assert server.bodies == [body]
    assert [head.splitlines()[0] for head in proxy.heads] == [f"CONNECT s3.example.com:{server.port} HTTP/1.1"]


def test_a_proxy_whose_certificate_is_not_trusted_is_told_nothing(tmp_path: Path) -> None:
    (tmp_path / "bundle").write_bytes(BODY)
    with (
        serving(tmp_path, say(b""), "s3.example.com") as server,
        proxying(NOWHERE, context=server.context) as proxy,
        pytest.raises(FailedError, match=r"certificate of localhost is not trusted.*mismatch"),
    ):
        through(Proxy(HOST, proxy.port, "Basic c2VjcmV0", secured=True), server, tmp_path / "bundle", [])
    assert proxy.heads == []


def test_a_proxy_that_breaks_off_inside_its_tunnel(tmp_path: Path) -> None:
    def hang_up(link: ssl.SSLSocket, _head: str, rest: bytes) -> bytes:
        link.unwrap()
        return rest

    (tmp_path / "bundle").write_bytes(BODY)
    with (
        serving(tmp_path, hang_up, "s3.example.com", HOST) as server,
        proxying(("127.0.0.1", server.port), context=server.context) as proxy,
        pytest.raises(TemporaryError),
    ):
        through(Proxy(HOST, proxy.port, secured=True), server, tmp_path / "bundle", [])


@pytest.mark.parametrize(
    ("says", "kind", "words"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", FailedError, "answered 407 to CONNECT s3.example.com"),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", FailedError, "answered 403"),
        (b"HTTP/1.0 502 Bad Gateway\r\n\r\n", TemporaryError, "answered 502"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", TemporaryError, "does not speak HTTP"),
        (b"", TemporaryError, "closed the connection without an answer"),
    ],
)
def test_a_proxy_that_opens_no_tunnel(tmp_path: Path, says: bytes, kind: type[AgentError], words: str) -> None:
    with serving(tmp_path, say(b"")) as server, proxying(NOWHERE, says) as proxy:
        with pytest.raises(kind, match=words) as caught:
            through(Proxy("localhost", proxy.port, "Basic c2VjcmV0"), server, tmp_path / "ca.crt", [])
        assert "c2VjcmV0" not in f"{caught.value!r} {caught.value}"
        assert server.heads == []


def test_a_host_that_is_refused_is_not_even_named_to_the_proxy(tmp_path: Path) -> None:
    def refuse(peer: str, _own: str) -> None:
        raise FailedError(f"{peer} is refused")

    with proxying(NOWHERE) as proxy, serving(tmp_path, say(b"")) as server:
        target = Target("169.254.169.254", 443, "/", proxy=Proxy("localhost", proxy.port))
        with pytest.raises(FailedError, match=r"169\.254\.169\.254 is refused"):
            Uploader(ca_bundle=server.authority).send(target, Parcel(tmp_path / "ca.crt"), check_peer=refuse)
    assert proxy.heads == []


def test_a_line_that_stalls_is_given_up_and_a_slow_one_is_not() -> None:
    def lasts(rates: list[int]) -> int:
        """Send a minute at each rate, and return for how many seconds that went on."""
        pace, second = Pace(0.0), 0
        with contextlib.suppress(TemporaryError):
            for second, rate in enumerate(rate for rate in rates for _ in range(60)):
                pace.sent(rate, second + 1.0)
        return second + 1

    assert lasts([20 << 10] * 10) == 600
    assert lasts([10 << 20, 2 << 20, 1 << 20]) == 180
    assert lasts([10 << 20, 100 << 10, 10 << 20]) == 120
    assert lasts([20 << 10, 1000, 1000]) == 120
