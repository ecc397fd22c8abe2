"""What goes through the proxy, asked of who decides it: Go's HTTP client, requests, urllib and curl."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping

import pytest
from configure.samples import API_SERVER, FACTS, accepted, document

from agent.configure import proxy
from agent.configure.facts import Facts
from tools import binary

CURL_HOLDS_BACK = ["--silent", "--insecure", "--max-time", "5"]
DIRECT = (
    "http://169.254.169.254/latest/meta-data/",
    "http://[fd00:ec2::254]/latest/meta-data/",
    "https://169.254.169.254",
    "https://[fd00:ec2::254]",
    "https://169.254.170.23",
    "https://[fd00:ec2::23]",
    f"{API_SERVER}/livez",
    "https://10.0.0.20:10250",
    "https://172.20.0.10",
    "https://registry.shop.svc:5000",
    "https://kubernetes.default.svc.cluster.local",
    "https://web.shop.svc.example.internal",
    "https://ip-10-0-0-7.us-west-2.compute.internal",
    "https://vpce-0a1b-c2d3.s3.us-west-2.vpce.amazonaws.com",
    "https://bucket.corp.example.com",
    "https://a.wild.example",
    "https://a.lower.example",
    "https://[2001:db8::10]",
    "https://[2001:db8::10]:8443",
    "https://[2001:db8::5]",
    "https://localhost",
    "https://127.0.0.1",
)
# urllib, which nothing on the node uses, knows no networks.
DIRECT_BY_NETWORK = ("https://10.0.200.7", "https://10.1.3.4", "https://172.20.31.9", "https://127.0.0.53")
# requests knows none of IPv6, and curl 7.88 reads them wrongly.
DIRECT_BY_NETWORK_OF_IPV6 = ("https://[2600:1f14::99]", "https://[fd5a:1::99]")
PROXIED = (
    "https://public.ecr.aws/v2/",
    "https://123456789012.dkr.ecr.us-west-2.amazonaws.com/v2/",
    "https://bucket.s3.us-west-2.amazonaws.com",
    "https://8.8.8.8",
    "https://[2606:4700::1111]",
    "https://notsvc",
    "https://example.com",
)
NO_PROXY = ("[2001:DB8:0::10]", "2001:db8::5", "*.wild.example", ".corp.example.com", ".LOWER.example")
Ask = Callable[[str], bool]


@pytest.fixture(scope="module")
def environment() -> Mapping[str, str]:
    """Return a program's environment as systemd makes it of the rendered file."""
    settings = accepted(
        document(
            'cluster-dns-ip = ["172.20.0.10", "fd5a:1::a"]\ncluster-domain = "example.internal"',
            f'[settings.network]\nhttps-proxy = "http://127.0.0.1:9"\nno-proxy = {json.dumps(NO_PROXY)}',
        )
    )
    facts = Facts(FACTS.instance, 2, 7800, FACTS.local_hostname, ("10.0.0.0/16", "10.1.0.0/16", "2600:1f14::/56"))
    (spec,) = proxy.files(settings, facts)
    pairs = dict(line.split("=", 1) for line in spec.content.decode().splitlines())
    return {"PATH": os.environ["PATH"], **pairs}


@pytest.fixture(scope="module")
def go(environment: Mapping[str, str]) -> Ask:
    program = binary("noproxy")
    return lambda url: said([str(program), url], environment) == "http://127.0.0.1:9"


def said(argv: list[str], environment: Mapping[str, str]) -> str:
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip()


def python(code: str, environment: Mapping[str, str]) -> Ask:
    return lambda url: said([sys.executable, "-c", code, url], environment) == "True"


@pytest.fixture(scope="module")
def requests(environment: Mapping[str, str]) -> Ask:
    return python(
        "import sys; from requests.utils import get_environ_proxies, select_proxy;"
        "print(select_proxy(sys.argv[1], get_environ_proxies(sys.argv[1])) is not None)",
        environment,
    )


@pytest.fixture(scope="module")
def urllib(environment: Mapping[str, str]) -> Ask:
    return python(
        "import sys, urllib.request as u; from urllib.parse import urlsplit; url = urlsplit(sys.argv[1]);"
        "print(url.scheme in u.getproxies() and not u.proxy_bypass_environment(url.netloc))",
        environment,
    )


@pytest.fixture
def curl(environment: Mapping[str, str]) -> Iterator[Ask]:
    """Have curl connect to the proxy or to a place that is no proxy, both of which hang up: its error says which."""
    with socket.create_server(("127.0.0.1", 0)) as here:
        port = here.getsockname()[1]
        variables = {**environment, **dict.fromkeys(("HTTPS_PROXY", "https_proxy"), f"http://127.0.0.1:{port}")}

        def ask(url: str) -> bool:
            argv = ["curl", *CURL_HOLDS_BACK, "--connect-to", f"::127.0.0.1:{port}", url]
            with subprocess.Popen(argv, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
                caller, _ = here.accept()
                with caller:
                    return caller.recv(8) == b"CONNECT "

        here.settimeout(10)
        yield ask


@pytest.mark.parametrize("url", DIRECT)
def test_what_a_node_needs_is_reached_directly_by_everyone(
    url: str, go: Ask, requests: Ask, urllib: Ask, curl: Ask
) -> None:
    assert (go(url), requests(url), urllib(url), curl(url)) == (False, False, False, False)


@pytest.mark.parametrize("url", DIRECT_BY_NETWORK)
def test_the_networks_of_vpc_and_services_are_reached_directly(url: str, go: Ask, requests: Ask, curl: Ask) -> None:
    assert (go(url), requests(url), curl(url)) == (False, False, False)


@pytest.mark.parametrize("url", DIRECT_BY_NETWORK_OF_IPV6)
def test_go_reaches_the_networks_of_ipv6_directly(url: str, go: Ask) -> None:
    assert not go(url)


@pytest.mark.parametrize("url", PROXIED)
def test_anything_else_goes_through_the_proxy(url: str, go: Ask, requests: Ask, urllib: Ask, curl: Ask) -> None:
    assert (go(url), requests(url), urllib(url), curl(url)) == (True, True, True, True)


def test_plain_http_never_does(environment: Mapping[str, str], go: Ask, requests: Ask) -> None:
    assert "HTTP_PROXY" not in {name.upper() for name in environment}
    assert (go("http://example.com"), requests("http://example.com")) == (False, False)
