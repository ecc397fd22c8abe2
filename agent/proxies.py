"""The node's proxy settings as values: which proxy stands before a host, by the rules that Go's programs follow."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from urllib.parse import SplitResult, unquote, urlsplit

from agent.errors import SettingsError

_HINT = "see settings.network.https-proxy"
_PORTS = {"http": 80, "https": 443}
# Go's programs speak it to a proxy (net/http, Transport.Proxy), and the agent does not.
_SOCKS = ("socks5", "socks5h")
_SOCKS_PORT = 1080


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy that opens tunnels; `authorization` is what it wants to see of us, and secret.

    `secured`: it wants to be spoken to by TLS itself.
    """

    host: str
    port: int
    authorization: str = field(default="", repr=False)
    secured: bool = False

    def tunnel(self, authority: str) -> bytes:
        """Return the request for a tunnel to a host and port (RFC 9110, 9.3.6)."""
        wanted = [f"Proxy-Authorization: {self.authorization}"] if self.authorization else []
        return "\r\n".join([f"CONNECT {authority} HTTP/1.1", f"Host: {authority}", *wanted, "", ""]).encode()


@dataclass(frozen=True, slots=True)
class Proxies:
    """What the environment file says; the URL may hold a password."""

    url: str = field(default="", repr=False)
    direct: tuple[str, ...] = ()

    def before(self, host: str, port: int) -> Proxy | None:
        """Return the proxy for a host, or None where it is reached directly; SettingsError for one of SOCKS, too."""
        return read(self.url) if self._stands_before(host, port) else None

    def socks_before(self, host: str, port: int) -> tuple[str, int] | None:
        """Return the host and port of the proxy for a host where it is one of SOCKS, else None."""
        if not self._stands_before(host, port):
            return None
        url = _parts(self.url)
        return (url.hostname, url.port or _SOCKS_PORT) if url.hostname and url.scheme in _SOCKS else None

    def _stands_before(self, host: str, port: int) -> bool:
        return bool(self.url) and not any(_matches(entry, host.lower(), port) for entry in self.direct)


def read(text: str) -> Proxy:
    """Read the URL of a proxy, which may be without its scheme; SettingsError where it is none."""
    url = _parts(text)
    if url.scheme not in _PORTS or not url.hostname:
        raise SettingsError("the proxy's URL is neither of http:// nor of https://", hint=_HINT)
    authorization = _authorization(url.username, url.password)
    return Proxy(url.hostname, url.port or _PORTS[url.scheme], authorization, secured=url.scheme == "https")


def _parts(text: str) -> SplitResult:
    try:
        url = urlsplit(text if "://" in text else f"http://{text}")
        _ = url.port  # reading it checks its range
    except ValueError as error:
        raise SettingsError("the proxy's URL cannot be read", hint=_HINT) from error
    return url


def parse(text: str) -> Proxies:
    """Parse the environment file that `configure` renders; upper-case names win, as they do for Go.

    See golang.org/x/net/http/httpproxy, FromEnvironment.
    """
    pairs = {name.strip(): value.strip().strip("\"'") for name, _, value in map(_split, text.splitlines())}
    direct = _first(pairs, "NO_PROXY", "no_proxy").lower().split(",")
    return Proxies(_first(pairs, "HTTPS_PROXY", "https_proxy"), tuple(word.strip() for word in direct if word.strip()))


def _split(line: str) -> tuple[str, str, str]:
    return line.partition("=")


def _first(pairs: Mapping[str, str], *names: str) -> str:
    return next((pairs[name] for name in names if pairs.get(name)), "")


def _authorization(user: str | None, password: str | None) -> str:
    if user is None:
        return ""
    pair = f"{unquote(user)}:{unquote(password or '')}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


def _matches(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    name, colon, number = entry.rpartition(":")
    if colon and number.isdigit() and (name.startswith("[") or ":" not in name):
        if int(number) != port:
            return False
        entry = name
    return _holds(entry.strip("[]"), host)


def _holds(entry: str, host: str) -> bool:
    """Return whether a network, an address, a domain or a name stands for the host."""
    try:
        return ip_address(host) in ip_network(entry, strict=False)
    except ValueError:
        pass  # one of the two is a name
    # Go: "example.com" and its subdomains, ".example.com" only these.
    domain = entry.removeprefix("*")
    return host.endswith(domain) if domain.startswith(".") else host == domain or host.endswith(f".{domain}")
