import socket
import ssl
from pathlib import Path

import pytest
from host.tls_server import HOST, Answer, Server, read_body, respond, say, serving

from agent.errors import AgentError, FailedError, TemporaryError
from agent.host.https import Response
from agent.host.upload import Target, Uploader

BODY = bytes(range(256)) * 20_000
DENIED = respond("403 Forbidden", b"<Error><Code>AccessDenied</Code></Error>")


def ignore(_peer: str, _own: str) -> None:
    """Any peer is good."""


def put(server: Server, source: Path, *, host: str = HOST) -> Response:
    source.write_bytes(BODY)
    target = Target(host, server.port, "/bucket/key?X-Amz-Signature=abc")
    return Uploader(ca_bundle=server.authority).put(target, source, check_peer=ignore)


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


def test_a_missing_ca_bundle_may_come_yet(tmp_path: Path) -> None:
    with pytest.raises(TemporaryError, match="cannot read the CA bundle"):
        put(Server(1, tmp_path / "none"), tmp_path / "bundle")


def test_a_refused_peer_gets_not_even_a_handshake(tmp_path: Path) -> None:
    def refuse(peer: str, own: str) -> None:
        raise FailedError(f"{peer} {own} is refused")

    with serving(tmp_path, say(respond("200 OK"))) as server:
        target = Target(HOST, server.port, "/")
        with pytest.raises(FailedError, match=r"127\.0\.0\.1 127\.0\.0\.1 is refused"):
            Uploader(ca_bundle=server.authority).put(target, tmp_path / "ca.crt", check_peer=refuse)
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
        Uploader(tick, server.authority).put(Target(HOST, server.port, "/"), tmp_path / "ca.crt", check_peer=ignore)


def test_no_secret_is_in_a_repr_or_an_error(tmp_path: Path) -> None:
    target = Target("localhost", 1, "/key?X-Amz-Signature=abc")
    assert "abc" not in repr(target)
    with serving(tmp_path, say(b"")) as server:
        with pytest.raises(AgentError) as caught:
            Uploader(ca_bundle=server.authority).put(target, tmp_path / "ca.crt", check_peer=ignore)
        assert "abc" not in f"{caught.value!r} {caught.value}"
