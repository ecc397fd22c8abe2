import base64

import pytest

from agent import proxies
from agent.errors import SettingsError
from agent.proxies import Proxies, Proxy

URL = "http://user:p%40ss@proxy.example.com:3128"
S3 = "s3.us-west-2.amazonaws.com"


def test_what_configure_renders_is_read_back() -> None:
    text = f"HTTPS_PROXY={URL}\nhttps_proxy={URL}\nNO_PROXY=localhost,10.0.0.0/16\nno_proxy=localhost, 10.0.0.0/16\n"
    found = proxies.parse(text)
    assert found == Proxies(URL, ("localhost", "10.0.0.0/16"))
    authorization = "Basic " + base64.b64encode(b"user:p@ss").decode()
    assert found.before(S3, 443) == Proxy("proxy.example.com", 3128, authorization)


def test_upper_case_wins_where_it_says_something() -> None:
    found = proxies.parse(f"https_proxy=http://x\nHTTPS_PROXY={URL}\nNO_PROXY=\nno_proxy=localhost\n")
    assert found == Proxies(URL, ("localhost",))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("socks5://10.0.0.9:9050", ("10.0.0.9", 9050)),
        ("socks5://user:p%40ss@proxy.example.com", ("proxy.example.com", 1080)),
        (URL, None),
        ("proxy.example.com:1080", None),
    ],
)
def test_a_proxy_of_socks_is_told_from_others(url: str, expected: tuple[str, int] | None) -> None:
    found = proxies.parse(f"https_proxy={url}\nno_proxy=.internal\n")
    assert found.socks_before(S3, 443) == expected
    assert found.socks_before("a.internal", 443) is None
    if expected:
        with pytest.raises(SettingsError, match="neither of http:// nor of https://"):
            found.before(S3, 443)


@pytest.mark.parametrize("text", ["", "HTTPS_PROXY=\nNO_PROXY=\n", "not an environment file"])
def test_no_proxy_at_all(text: str) -> None:
    assert proxies.parse(text).before(S3, 443) is None


@pytest.mark.parametrize(
    ("entry", "host", "direct"),
    [
        ("*", S3, True),
        ("amazonaws.com", S3, True),
        (".amazonaws.com", S3, True),
        ("*.amazonaws.com", S3, True),
        (S3.upper(), S3, True),
        (f"{S3}:443", S3, True),
        (f"{S3}:8443", S3, False),
        (".s3.us-west-2.amazonaws.com", S3, False),
        ("aws.com", S3, False),
        ("10.0.0.0/16", "10.0.3.4", True),
        ("10.0.0.0/16", "10.1.3.4", False),
        ("10.0.0.0/16", S3, False),
        ("10.0.0.9", "10.0.0.9", True),
        ("[2001:db8::1]", "2001:db8::1", True),
        ("[2001:db8::1]:443", "2001:db8::1", True),
        ("2001:db8::/32", "2001:db8::1", True),
        ("2001:db8::/32", "10.0.0.1", False),
    ],
)
def test_what_is_reached_directly(entry: str, host: str, *, direct: bool) -> None:
    found = proxies.parse(f"https_proxy={URL}\nno_proxy=a.example,{entry}\n")
    assert (found.before(host, 443) is None) is direct


@pytest.mark.parametrize(
    "url", ["socks5://user:p%40ss@proxy.example.com", "http://proxy.example.com:p%40ss", "http://"]
)
def test_a_proxy_that_cannot_be_used_is_said_without_its_password(url: str) -> None:
    with pytest.raises(SettingsError, match=r"settings\.network\.https-proxy") as caught:
        Proxies(url).before(S3, 443)
    assert "p%40ss" not in str(caught.value)


def test_a_bare_host_and_port_is_http() -> None:
    assert Proxies("proxy.example.com:8080").before(S3, 443) == Proxy("proxy.example.com", 8080)


def test_a_proxy_may_want_tls_itself() -> None:
    assert Proxies("https://proxy.example.com").before(S3, 443) == Proxy("proxy.example.com", 443, secured=True)


def test_the_password_is_in_no_repr() -> None:
    found = Proxies(URL)
    assert "p%40ss" not in repr(found)
    assert "Basic" not in repr(found.before(S3, 443))
