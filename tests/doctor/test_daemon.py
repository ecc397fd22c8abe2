"""The doctor against a metadata service and an API server on the loopback."""

import contextlib
import json
import os
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from agent.doctor import daemon
from agent.doctor.report import Check, Report, as_json
from agent.host import status
from world import imds, pki
from world.listener import Listener, listen
from world.metadata import Fault, Metadata

NODE = "i-0123456789abcdef0"
_NOBODY = 65534
ROLE = "meta-data/iam/security-credentials/node-role"
IDENTITY = {
    "accountId": "123456789012",
    "availabilityZone": "us-west-2a",
    "imageId": "ami-0f00d1e2a3b4c5d6e",
    "instanceId": NODE,
    "instanceType": "m5.large",
    "region": "us-west-2",
}


def credentials(left: timedelta) -> str:
    expiration = (datetime.now(UTC) + left).strftime("%Y-%m-%dT%H:%M:%SZ")
    body = {"Code": "Success", "AccessKeyId": "ASIAIOSFODNN7EXAMPLE", "SecretAccessKey": "s3cret", "Token": "s3ssion"}
    return json.dumps({**body, "Expiration": expiration})


@dataclass
class Api:
    """What the API server says, settable by each test."""

    status: int = 201
    user: str = f"system:node:{NODE}"
    authorizations: list[str] = field(default_factory=list)

    def handler(self) -> type[BaseHTTPRequestHandler]:
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                api.authorizations.append(self.headers["Authorization"])
                self.rfile.read(int(self.headers["Content-Length"]))
                user = {"username": api.user, "groups": ["system:nodes", "system:authenticated"]}
                self.answer(api.status, {"status": {"userInfo": user}, "message": "said the server"})

            def do_GET(self) -> None:
                self.answer(404, {"message": f"{self.path} not found"})

            def answer(self, code: int, body: object) -> None:
                content = json.dumps(body).encode()
                self.send_response(code)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_words: object) -> None:
                """Keep the tests' output clean."""

        return Handler


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def metadata() -> Metadata:
    return Metadata(
        {
            "dynamic/instance-identity/document": json.dumps(IDENTITY),
            # The registry's name is asked of the machine's own resolver.
            "meta-data/services/domain": "aws.invalid",
            ROLE: credentials(timedelta(hours=6)),
        }
    )


@pytest.fixture
def imds_url(metadata: Metadata) -> Iterator[str]:
    with imds.serving(metadata) as url:
        yield url


@pytest.fixture
def root(tmp_path: Path, api: Api) -> Iterator[Path]:
    """Give a tree that configure has rendered for an API server on the loopback."""
    root = tmp_path / "root"
    authority = pki.authority("demo")
    ca = root / "etc/kubernetes/pki/ca.crt"
    ca.parent.mkdir(parents=True)
    ca.write_bytes(authority.certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.server("localhost", names=["localhost"]).write(tmp_path, "server"))
    listening = listen("127.0.0.1")
    write_kubeconfig(root, f"https://localhost:{listening.getsockname()[1]}")
    status.write("configure", "ok", root=root, verdicts=[])
    listener = Listener(listening, api.handler(), context)
    listener.start()
    yield root
    listener.stop()


def write_kubeconfig(root: Path, server: str) -> None:
    path = root / "etc/kubernetes/kubelet/kubeconfig"
    path.parent.mkdir(parents=True, exist_ok=True)
    cluster = {"server": server, "certificate-authority": "/etc/kubernetes/pki/ca.crt"}
    user = {"exec": {"args": ["token", "--cluster", "demo"]}}
    path.write_text(
        json.dumps(
            {
                "clusters": [{"name": "demo", "cluster": cluster}],
                "users": [{"name": f"system:node:{NODE}", "user": user}],
            }
        )
    )


def statuses(report: Report) -> dict[str, str]:
    return {check.id: check.status for check in report.checks}


def test_the_way_to_the_api_server_is_free(root: Path, imds_url: str, api: Api) -> None:
    found = statuses(daemon.examine(root=root, imds_url=imds_url))
    way = ("imds", "user-data", "role", "dns", "tcp", "tls", "authentication")
    assert {check: found[check] for check in way} == dict.fromkeys(way, "ok")
    assert api.authorizations[0].startswith("Bearer k8s-aws-v1.")


def test_the_report_is_published(root: Path, imds_url: str) -> None:
    report = daemon.examine(root=root, imds_url=imds_url)
    assert (root / "run/node-agent/doctor.json").read_text() == as_json(report)


def test_a_tree_that_cannot_be_written_costs_the_file_only(root: Path, imds_url: str) -> None:
    (root / "run/node-agent/doctor.json").mkdir()
    assert statuses(daemon.examine(root=root, imds_url=imds_url))["imds"] == "ok"


def test_a_token_that_is_refused(root: Path, imds_url: str, api: Api) -> None:
    api.status = 401
    report = daemon.examine(root=root, imds_url=imds_url)
    assert report.headline is not None
    assert report.headline.id == "authentication"
    assert "access entry" in report.headline.message
    assert "said the server" in report.headline.message


@pytest.mark.parametrize(("status", "words"), [(403, "too little"), (503, "overloaded or failing")])
def test_an_api_server_that_refuses(root: Path, imds_url: str, api: Api, status: int, words: str) -> None:
    api.status = status
    headline = daemon.examine(root=root, imds_url=imds_url).headline
    assert headline is not None
    assert headline.id == "authentication"
    assert words in headline.message


def test_a_role_without_credentials(root: Path, imds_url: str, metadata: Metadata) -> None:
    metadata.remove("meta-data/iam")
    headline = daemon.examine(root=root, imds_url=imds_url).headline
    assert headline is not None
    assert headline.id == "role"
    assert "instance profile" in headline.action


def test_a_metadata_service_that_hangs_names_the_hop_limit(root: Path, imds_url: str, metadata: Metadata) -> None:
    metadata.fault("api/token", Fault(hang=True))
    report = daemon.examine(root=root, imds_url=imds_url)
    assert report.headline is not None
    assert report.headline.id == "imds"
    assert "hop limit" in report.headline.action
    # The way to the API server is asked all the same.
    assert statuses(report)["tls"] == "ok"


def test_an_api_server_that_does_not_listen(root: Path, imds_url: str) -> None:
    with contextlib.closing(listen("127.0.0.1")) as listening:
        port = listening.getsockname()[1]
    write_kubeconfig(root, f"https://localhost:{port}")
    headline = daemon.examine(root=root, imds_url=imds_url).headline
    assert headline is not None
    assert headline.id == "tcp"


def test_another_ca(root: Path, imds_url: str) -> None:
    (root / "etc/kubernetes/pki/ca.crt").write_bytes(pki.authority("demo").certificate)
    headline = daemon.examine(root=root, imds_url=imds_url).headline
    assert headline is not None
    assert headline.id == "tls"
    assert "cluster-certificate is not of this cluster" in headline.message


def test_a_name_that_does_not_exist(root: Path, imds_url: str) -> None:
    write_kubeconfig(root, "https://api.invalid")
    headline = daemon.examine(root=root, imds_url=imds_url).headline
    assert headline is not None
    assert headline.id == "dns"


@pytest.mark.parametrize("host", [".gr7.us-west-2.eks.amazonaws.com", "a..b", "A" * 64 + ".example"])
def test_a_name_that_no_name_can_be(root: Path, imds_url: str, host: str) -> None:
    write_kubeconfig(root, f"https://{host}")
    write_proxy(root, f"HTTPS_PROXY=http://{host}:3128\n")
    report = daemon.examine(root=root, imds_url=imds_url)
    assert report.headline is not None
    assert report.headline.id == "dns"
    assert "is no name that DNS can hold" in report.headline.message
    assert "check settings.kubernetes.api-server" in report.headline.action
    assert found(report, "proxy").cause == "settings.network.https-proxy names a host that does not exist"


def test_a_wrong_key_in_the_user_data_is_named(root: Path, imds_url: str) -> None:
    verdict = {"path": "settings.kubernetes.api-server", "level": "error", "message": "is missing", "source": "x"}
    status.write("configure", "failed", "no", root=root, verdicts=[verdict])
    headline = daemon.examine(root=root, imds_url=imds_url).headline
    assert headline is not None
    assert headline.message.startswith("settings.kubernetes.api-server: is missing")


def write_proxy(root: Path, text: str) -> None:
    path = root / "etc/network/proxy.env"
    path.parent.mkdir(parents=True)
    path.write_text(text)


@contextlib.contextmanager
def silent() -> Iterator[str]:
    """Give the URL of a proxy that takes connections and never answers."""
    with contextlib.closing(listen("127.0.0.1")) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def found(report: Report, check: str) -> Check:
    return next(each for each in report.checks if each.id == check)


def test_a_proxy_is_not_asked_for_what_is_reached_without_it(root: Path, imds_url: str) -> None:
    with silent() as url:
        write_proxy(root, f"HTTPS_PROXY={url}\nNO_PROXY=.invalid\n")
        report = daemon.examine(root=root, imds_url=imds_url)
    assert found(report, "proxy").status == "ok"
    assert "api.ecr.us-west-2.aws.invalid:443 reached without it" in found(report, "proxy").evidence


def test_a_proxy_that_is_silent_does_not_reach_the_registry(root: Path, imds_url: str) -> None:
    with silent() as url:
        write_proxy(root, f"HTTPS_PROXY={url}\n")
        report = daemon.examine(root=root, imds_url=imds_url)
    assert found(report, "proxy").status == "warn"
    assert "takes connections" in found(report, "proxy").evidence


def test_a_proxy_of_socks_is_not_asked_and_nothing_is_skipped_for_it(root: Path, imds_url: str) -> None:
    with silent() as url:
        write_proxy(root, f"HTTPS_PROXY={url.replace('http', 'socks5')}\n")
        report = daemon.examine(root=root, imds_url=imds_url)
        address = url.removeprefix("http://")
    assert found(report, "proxy").status == "warn"
    assert found(report, "proxy").evidence.startswith(f"{address} takes connections; what it reaches cannot be asked")
    assert "because proxy" not in found(report, "images").cause


def test_a_proxy_of_socks_that_is_not_there(root: Path, imds_url: str) -> None:
    with silent() as url:
        address = url.removeprefix("http://")
    write_proxy(root, f"HTTPS_PROXY=socks5://user:hunter2@{address}\n")
    report = daemon.examine(root=root, imds_url=imds_url)
    assert (found(report, "proxy").status, found(report, "proxy").cause) == ("fail", "no proxy listens there")
    assert found(report, "proxy").evidence == f"the proxy {address}: Connection refused"


def test_what_is_no_url_of_a_proxy(root: Path, imds_url: str) -> None:
    write_proxy(root, "HTTPS_PROXY=http://10.0.0.1:port\n")
    assert "no URL of a proxy" in found(daemon.examine(root=root, imds_url=imds_url), "proxy").cause


def test_an_api_server_of_another_kind(root: Path, imds_url: str, api: Api) -> None:
    api.status = 404
    headline = daemon.examine(root=root, imds_url=imds_url).headline
    assert headline is not None
    assert headline.id == "authentication"
    assert "CustomResourceDefinition" not in headline.action


@pytest.fixture
def forbidden(root: Path) -> Iterator[Path]:
    """Give a tree that may not be read, as to a user without rights."""
    before = os.geteuid()
    root.chmod(0)
    if before == 0:
        os.seteuid(_NOBODY)
    yield root
    os.seteuid(before)
    root.chmod(0o700)


def test_files_that_may_not_be_read_are_said_and_cost_no_more(forbidden: Path, imds_url: str) -> None:
    report = daemon.examine(root=forbidden, imds_url=imds_url)
    assert found(report, "imds").status == "ok"
    assert found(report, "proxy").evidence.startswith("cannot read ")
    assert found(report, "proxy").action == "run it as root"
