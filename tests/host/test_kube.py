import json
import select
import ssl
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from host.tls_server import HOST, Answer, Server, respond, say, serving

from agent.errors import FailedError, TemporaryError
from agent.host import kube
from agent.host.kube import ApiError, Cluster, Kube
from agent.host.observer import Observer

COLLECTION = "/apis/eks.amazonaws.com/v1alpha1/nodediagnostics"


class Tokens:
    """A source of tokens that counts how often it was told to make another."""

    def __init__(self) -> None:
        self.dropped = 0

    def __call__(self) -> str:
        return f"token-{self.dropped}"

    def drop(self) -> None:
        self.dropped += 1


def client(server: Server, token: Tokens | None = None, impersonate: str | None = None) -> Kube:
    return Kube(f"https://{HOST}:{server.port}", str(server.authority), token or Tokens(), impersonate)


def as_json(body: object, status: str = "200 OK") -> bytes:
    return respond(status, json.dumps(body).encode())


def failure(code: int, message: str = "because") -> bytes:
    return as_json({"kind": "Status", "message": message, "code": code}, f"{code} No")


def test_an_object_or_none(tmp_path: Path) -> None:
    with serving(tmp_path, say(as_json({"kind": "Node"}), failure(404))) as server:
        assert client(server).get("/api/v1/nodes/i-1", {"a": "b c"}) == {"kind": "Node"}
        assert client(server).get("/api/v1/nodes/i-2") is None
    head = server.heads[0].splitlines()
    assert head[0] == "GET /api/v1/nodes/i-1?a=b+c HTTP/1.1"
    assert "Authorization: Bearer token-0" in head
    assert not any(line.startswith("Impersonate") for line in head)


def test_writes_say_what_they_are_and_as_whom(tmp_path: Path) -> None:
    with serving(tmp_path, say(as_json({}))) as server:
        api = client(server, impersonate="eks-auto:node-diagnostics")
        api.patch("/a", {"x": 1})
        api.post("/b", {"y": 2})
    patch, post = (head.splitlines() for head in server.heads)
    assert (patch[0], post[0]) == ("PATCH /a HTTP/1.1", "POST /b HTTP/1.1")
    assert "Content-Type: application/merge-patch+json" in patch
    assert "Impersonate-User: eks-auto:node-diagnostics" in patch
    assert [json.loads(body) for body in server.bodies] == [{"x": 1}, {"y": 2}]


def test_a_refused_token_is_made_anew_once(tmp_path: Path) -> None:
    tokens = Tokens()
    with serving(tmp_path, say(failure(401), as_json({}), failure(401))) as server:
        client(server, tokens).get("/a")
        with pytest.raises(ApiError, match="401 because") as caught:
            client(server, tokens).get("/a")
    assert caught.value.status == 401
    assert tokens.dropped == 2
    assert len(server.heads) == 4


@pytest.mark.parametrize("code", [400, 403, 409, 422])
def test_a_refusal_is_final_and_has_its_status(tmp_path: Path, code: int) -> None:
    with serving(tmp_path, say(failure(code, "x" * 9999))) as server, pytest.raises(ApiError) as caught:
        client(server).patch("/a", {})
    assert caught.value.status == code
    assert len(caught.value.message) < 400


@pytest.mark.parametrize("code", [429, 500, 503])
def test_a_busy_server_is_asked_again_when_it_wishes(tmp_path: Path, code: int) -> None:
    answer = respond(f"{code} Busy", b"not JSON", Retry_After="7")
    with serving(tmp_path, say(answer)) as server, pytest.raises(TemporaryError, match="not JSON") as caught:
        client(server).get("/a")
    assert caught.value.retry_after == 7.0


@pytest.mark.parametrize("body", [b"", b"[]", b"{"])
def test_an_answer_that_is_no_object(tmp_path: Path, body: bytes) -> None:
    with serving(tmp_path, say(respond("200 OK", body))) as server, pytest.raises(TemporaryError, match="answer"):
        client(server).get("/a")


def test_a_server_that_is_not_the_clusters(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with serving(tmp_path, say(as_json({}))) as server, serving(tmp_path / "other", say(b"")) as other:
        with pytest.raises(FailedError, match="is not trusted"):
            client(Server(server.port, other.authority)).get("/a")
        assert server.heads == []


def test_without_a_ca_or_with_plain_http_nothing_is_sent(tmp_path: Path) -> None:
    with pytest.raises(TemporaryError, match="cannot read the cluster's CA"):
        client(Server(1, tmp_path / "none")).get("/a")
    with pytest.raises(FailedError, match="is no https URL"):
        Kube("http://localhost", "", Tokens())


def test_the_servers_addresses(tmp_path: Path) -> None:
    with serving(tmp_path, say(b"")) as server:
        assert "127.0.0.1" in client(server).addresses()


def test_our_kubeconfig_is_read(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    cluster = {"server": "https://api", "certificate-authority": "/etc/kubernetes/pki/ca.crt"}
    user = {"name": "system:node:i-1", "user": {"exec": {"args": ["token", "--cluster", "demo"]}}}
    path.write_text(json.dumps({"clusters": [{"cluster": cluster}], "users": [user]}))
    assert kube.read_kubeconfig(path) == Cluster("https://api", "/etc/kubernetes/pki/ca.crt", "demo", "i-1")


@pytest.mark.parametrize("text", ["", "apiVersion: v1\n", "[]", '{"clusters": []}'])
def test_a_kubeconfig_that_is_not_ours(tmp_path: Path, text: str) -> None:
    path = tmp_path / "kubeconfig"
    with pytest.raises(TemporaryError, match="not there yet"):
        kube.read_kubeconfig(path)
    path.write_text(text)
    with pytest.raises(FailedError, match="not a kubeconfig of ours"):
        kube.read_kubeconfig(path)


# The observer


def node(version: int, **more: object) -> dict[str, object]:
    return {"metadata": {"name": "i-1", "resourceVersion": str(version)}, **more}


def listing(version: int, *items: object) -> bytes:
    return as_json({"metadata": {"resourceVersion": str(version)}, "items": list(items)})


def event(kind: str, body: object) -> bytes:
    line = json.dumps({"type": kind, "object": body}).encode() + b"\n"
    return f"{len(line):x}\r\n".encode() + line + b"\r\n"


WATCH = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


def watching(server: Server) -> Observer:
    return Observer(client(server), COLLECTION, "i-1")


def wait(observer: Observer, done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not done():
        assert time.monotonic() < deadline
        observer.wait(1, lambda: None)


def test_one_list_then_a_watch_of_this_object_alone(tmp_path: Path) -> None:
    changed = event("MODIFIED", node(8, spec=1)) + event("BOOKMARK", node(9)) + END
    with serving(tmp_path, say(listing(7, node(5)), WATCH + changed, WATCH)) as server:
        observer = watching(server)
        assert not observer.synced
        wait(observer, lambda: observer.current == node(8, spec=1))
        wait(observer, lambda: len(server.heads) > 2)
        observer.close()
    assert observer.synced
    first, second, third = (head.splitlines()[0] for head in server.heads[:3])
    assert first == f"GET {COLLECTION}?fieldSelector=metadata.name%3Di-1 HTTP/1.1"
    assert "fieldSelector=metadata.name%3Di-1&resourceVersion=7&allowWatchBookmarks=true&timeoutSeconds=" in second
    assert "resourceVersion=9" in third


def test_a_deleted_object_is_none(tmp_path: Path) -> None:
    with serving(tmp_path, say(listing(7, node(5)), WATCH + event("DELETED", node(8)))) as server:
        observer = watching(server)
        wait(observer, lambda: observer.synced and observer.current is None)
        observer.close()


def test_a_forgotten_version_is_listed_anew(tmp_path: Path) -> None:
    gone = event("ERROR", {"kind": "Status", "code": 410})
    with serving(tmp_path, say(listing(7, node(5)), WATCH + gone, listing(20, node(19)), WATCH)) as server:
        observer = watching(server)
        wait(observer, lambda: observer.current == node(19))
        observer.close()
    assert "resourceVersion=20" in server.heads[3]


def test_asked_anew_it_lists_although_the_watch_is_open_and_tells_only_what_is_new(tmp_path: Path) -> None:
    with serving(tmp_path, say(listing(7, node(5)), WATCH, listing(8, node(5)), WATCH, listing(9), WATCH)) as server:
        observer = watching(server)
        assert observer.look()
        observer.ask_anew()
        # Nothing new must not end a wait: whoever was refused would ask again at once, for ever.
        assert not observer.look()
        assert observer.current == node(5)
        observer.ask_anew()
        assert observer.look()
        assert observer.current is None
        observer.close()
    assert ["watch=1" in head for head in server.heads] == [False, True] * 3


def test_an_event_in_pieces_is_taken_when_it_is_whole(tmp_path: Path) -> None:
    whole = event("MODIFIED", node(8, spec=1))

    def answer(link: ssl.SSLSocket, head: str, _rest: bytes) -> bytes:
        if "watch=1" not in head:
            link.sendall(listing(7))
            return b""
        for place in range(0, len(whole), 10):
            link.sendall((WATCH if place == 0 else b"") + whole[place : place + 10])
        return link.recv(1)

    with serving(tmp_path, answer) as server:
        observer = watching(server)
        wait(observer, lambda: observer.current == node(8, spec=1))
        observer.close()


def test_trouble_is_kept_and_tried_again(tmp_path: Path) -> None:
    script: Answer = say(failure(403), failure(404), listing(7, node(5)), WATCH)
    with serving(tmp_path, script) as server:
        observer = watching(server)
        observer.look()
        assert "403" in str(observer.trouble)
        assert not observer.look()
        assert len(server.heads) == 1
        wait(observer, lambda: len(server.heads) == 2)
        assert "node-agent manifests" in str(observer.trouble)
        wait(observer, lambda: observer.current == node(5))
        assert observer.trouble is None
        observer.close()


def test_the_watch_can_be_selected_on(tmp_path: Path) -> None:
    with serving(tmp_path, say(WATCH + event("ADDED", node(8)) + END)) as server:
        watch = client(server).watch(COLLECTION, {})
        events = []
        while (found := watch.poll()) is not None:
            events += found
            select.select([watch], [], [], 1)
        watch.close()
    assert [each["type"] for each in events] == ["ADDED"]


def test_a_refused_watch_says_why(tmp_path: Path) -> None:
    with serving(tmp_path, say(failure(401))) as server, pytest.raises(ApiError, match="401 because"):
        client(server).watch(COLLECTION, {})
    assert len(server.heads) == 2
