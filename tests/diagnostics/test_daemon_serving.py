"""Whom the daemon uploads to, by its settings and the node's: a real TLS server and a real proxy on loopback."""

from pathlib import Path

import pytest
from host.connect_proxy import proxying
from host.tls_server import HOST, Server, respond, say, serving

from agent.diagnostics import destination
from agent.diagnostics import serving as subject
from agent.diagnostics.answer import Next, Verdict
from agent.errors import FailedError, SettingsError
from agent.host.kube import Kube
from agent.host.upload import CA_BUNDLE, Parcel

URL = "https://{host}:{port}/b/k?X-Amz-Signature=0f1e2d3c4b5a"
OK = respond("200 OK", b"", date="Sun, 22 Nov 2026 12:30:00 GMT")


def upload(root: Path, server: Server, *, host: str = HOST, allowed: str = "127.0.0.1") -> Verdict:
    """Upload a file as the daemon of a node whose files lie below `root`."""
    (root / "bundle").write_bytes(b"bundle")
    store = root / CA_BUNDLE[1:]
    store.parent.mkdir(parents=True, exist_ok=True)
    store.write_bytes(server.authority.read_bytes())
    client = Kube("https://10.9.9.9", str(store), str)
    uploads = subject._Uploads(client, frozenset({allowed}), root)
    to = destination.parse(URL.format(host=host, port=server.port))
    return uploads.send(to, Parcel(root / "bundle"), lambda: None)


def settle(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def test_an_upload_is_judged_with_the_servers_clock(tmp_path: Path) -> None:
    with serving(tmp_path, say(OK)) as server:
        verdict = upload(tmp_path, server)
    assert verdict.next is Next.DONE
    assert verdict.date is not None
    assert server.bodies == [b"bundle"]


def test_loopback_is_refused_before_a_byte_is_sent(tmp_path: Path) -> None:
    with serving(tmp_path, say(OK)) as server, pytest.raises(FailedError, match="this node itself"):
        upload(tmp_path, server, allowed="10.9.9.8")
    assert server.heads == []


@pytest.mark.parametrize("host", ["10.9.9.9", "172.20.0.1", "10.97.1.5"])
def test_the_cluster_is_refused_also_where_a_proxy_would_lead_there(tmp_path: Path, host: str) -> None:
    if host == "10.97.1.5":
        text = '{"settings": {"kubernetes": {"service-cidr": "10.96.0.0/12"}}}'
        settle(tmp_path, "etc/node-agent/settings.json", text)
    settle(tmp_path, "etc/kubernetes/kubelet/config.json", '{"clusterDNS": ["172.20.0.10"]}')
    with serving(tmp_path, say(OK)) as server, proxying(("127.0.0.1", server.port)) as proxy:
        settle(tmp_path, "etc/network/proxy.env", f"HTTPS_PROXY=http://127.0.0.1:{proxy.port}\n")
        with pytest.raises(FailedError, match="the cluster's own"):
            upload(tmp_path, server, host=host)
        assert proxy.heads == []


def test_the_nodes_proxy_is_used_where_it_stands_before_the_host(tmp_path: Path) -> None:
    with (
        serving(tmp_path, say(OK), "s3.example.com") as server,
        proxying(("127.0.0.1", server.port)) as proxy,
    ):
        settle(tmp_path, "etc/network/proxy.env", f"HTTPS_PROXY=http://127.0.0.1:{proxy.port}\n")
        assert upload(tmp_path, server, host="s3.example.com").next is Next.DONE
        assert len(proxy.heads) == 1


def test_a_host_that_needs_no_proxy_is_reached_directly(tmp_path: Path) -> None:
    with serving(tmp_path, say(OK)) as server:
        settle(tmp_path, "etc/network/proxy.env", "HTTPS_PROXY=http://127.0.0.1:1\nNO_PROXY=localhost\n")
        assert upload(tmp_path, server).next is Next.DONE


def test_a_proxy_that_is_none_is_said_without_its_password(tmp_path: Path) -> None:
    with serving(tmp_path, say(OK)) as server:
        settle(tmp_path, "etc/network/proxy.env", "HTTPS_PROXY=socks5://user:not-a-secret@proxy.example.com\n")
        with pytest.raises(SettingsError, match=r"neither of http:// nor of https://") as caught:
            upload(tmp_path, server)
    assert "not-a-secret" not in str(caught.value)
