"""Where a bundle may go: rules of the URL, and of the peer that its host turns out to be."""

import json
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias
from urllib.parse import SplitResult, parse_qs, parse_qsl, unquote, urlsplit

from agent import dns_question
from agent.errors import FailedError, SettingsError
from agent.redaction import redact
from agent.redaction_cuts import CUT

Network: TypeAlias = IPv4Network | IPv6Network

NODE = "node"
# One PUT to S3 takes at most 5 GB.
MOST_BYTES = 5 * 10**9

_HINT = "give a pre-signed https URL that takes one PUT"
# Instance metadata, Pod Identity, the VPC's resolver and time: nothing there takes a bundle.
_NEVER = tuple(
    map(ip_network, ("169.254.0.0/16", "fe80::/10", "fd00:ec2::/32", "0.0.0.0/8", "224.0.0.0/4", "ff00::/8", "::/128"))
)
_LOOPBACK = tuple(map(ip_network, ("127.0.0.0/8", "::1/128")))
# The service ranges that EKS chooses by itself (https://docs.aws.amazon.com/eks/latest/userguide/network-reqs.html).
_EKS_SERVICE_RANGES = tuple(map(ip_network, ("10.100.0.0/16", "172.20.0.0/16")))
# IPv4 addresses in IPv6 clothes: what a NAT64 gateway, such as a VPC's, turns back (RFC 6052).
_NAT64 = ip_network("64:ff9b::/96")
# Names that mean something only where they are resolved, which is not here where a proxy does it.
_LOCAL_DOMAINS = (".localhost", ".local", ".svc", ".internal")
_SHORTEST_SECRET = 6
_WORD_LIMIT = 200


@dataclass(frozen=True, slots=True)
class Destination:
    """A checked URL: its host may be said, its path and query may not."""

    host: str
    port: int
    target: str = field(repr=False)
    expires: datetime | None
    plain: bool = False

    def secrets(self) -> frozenset[str]:
        """Return the values of the URL's query, however they may be written."""
        _, _, query = self.target.partition("?")
        values = {value for _, value in parse_qsl(query)} | {pair.partition("=")[2] for pair in query.split("&")}
        return frozenset(values | {unquote(value) for value in values})


@dataclass(frozen=True, slots=True)
class Rules:
    """What this cluster adds to whom a bundle may never go to, and the addresses that a setting lets through."""

    networks: Collection[Network] = ()
    hosts: Collection[str] = ()
    allowed: Collection[str] = ()


def scrub(text: str, secrets: Iterable[str]) -> str:
    """Return text without any of these values."""
    for value in sorted(secrets, key=len, reverse=True):
        if len(value) >= _SHORTEST_SECRET:
            text = text.replace(value, CUT)
    return redact(text)


def parse(text: str, plain_to: Collection[str] = ()) -> Destination:
    """Check a destination before anything is collected for it; plain http is for the addresses of a setting only."""
    try:
        url = urlsplit(text)
        plain = url.scheme == "http" and url.hostname in plain_to
        port = url.port or (80 if plain else 443)
    except ValueError as error:
        raise SettingsError("the destination is no URL", hint=_HINT) from error
    if problem := _problem(text, url, plain=plain):
        raise SettingsError(problem, hint=_HINT)
    query = {name: values[0] for name, values in parse_qs(url.query).items()}
    signed = {name for name in query.get("X-Amz-SignedHeaders", "host").lower().split(";") if name}
    if unknown := sorted(signed - {"host"}):
        raise SettingsError(
            f"the URL signs headers that the agent does not send: {', '.join(unknown)[:_WORD_LIMIT]}",
            hint="sign the host only, without ContentType, metadata or checksum",
        )
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    return Destination(url.hostname or "", port, target, _expiry(query), plain)


def check_peer(peer: str, own: str, rules: Rules) -> None:
    """Refuse a peer that no bundle may go to; `own` is our address of the connection.

    Where a proxy stands between, the peer is the host as it was written, and there is no own address.
    """
    try:
        address = _bare(ip_address(peer))
    except ValueError:
        why = _why_not_name(peer.lower().rstrip("."), rules)
    else:
        why = "" if str(address) in rules.allowed else _why_not(address, own, rules)
        peer = str(address)
    if why:
        raise FailedError(f"the destination's address {peer} is refused: {why}", hint="give the URL of an S3 bucket")


def _bare(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address


def _why_not(address: IPv4Address | IPv6Address, own: str, rules: Rules) -> str:
    if any(address in network for network in _NEVER):
        return "link-local or never a server"
    if str(address) == own or any(address in network for network in _LOOPBACK):
        return "this node itself"
    return "the cluster's own" if any(address in network for network in rules.networks) else ""


def _why_not_name(name: str, rules: Rules) -> str:
    if name in rules.hosts:
        return "the cluster's own"
    return "a name of the node's own network" if "." not in name or name.endswith(_LOCAL_DOMAINS) else ""


def service_ranges(settings: str, kubelet: str) -> list[Network]:
    """Return the cluster's service ranges: the one in the node's settings, else what is around kubelet's DNS servers.

    Both are the texts of files, empty where there is none.
    """
    named = _value(settings, "settings", "kubernetes", "service-cidr")
    return list(_networks([named])) or list(map(_around, _networks(_value(kubelet, "clusterDNS"))))


def _value(text: str, *keys: str) -> object:
    """Return what stands in JSON under keys, None where nothing does."""
    try:
        found = json.loads(text)
        for key in keys:
            found = found[key]
    except (ValueError, TypeError, KeyError):
        return None
    return found


def _networks(texts: object) -> Iterator[Network]:
    for text in texts if isinstance(texts, list) else ():
        with suppress(ValueError):
            yield ip_network(str(text))


def _around(server: Network) -> Network:
    """Return the service range around the address of the cluster's DNS, as far as it can be known from it."""
    address = server.network_address
    for network in _EKS_SERVICE_RANGES:
        if address in network:
            return network
    # EKS's IPv6 service range is a /108; the smallest IPv4 range that it takes is a /24.
    return ip_network((address, 108 if address.version == 6 else 24), strict=False)


def _problem(text: str, url: SplitResult, *, plain: bool) -> str:
    host = url.hostname or ""
    problems = {
        "the destination holds characters that no URL has": not text.isascii() or not text.isprintable() or " " in text,
        "the destination is not an https URL": url.scheme != "https" and not plain,
        "the destination names no host": not host,
        "the destination's host is no name that DNS can hold": not dns_question.is_name(host),
        "the destination's host is a number, and no address as it is usually written": _is_odd_number(host),
        "the destination has a user name or a fragment": url.username is not None or bool(url.fragment),
    }
    return next((problem for problem, found in problems.items() if found), "")


def _is_odd_number(host: str) -> bool:
    """Return whether a resolver may take the host for an address that we do not see in it, such as 0x7f.1."""
    last = host.rstrip(".").rpartition(".")[2]
    if not (last.isdigit() or last.startswith("0x")):
        return False
    try:
        ip_address(host)
    except ValueError:
        return True
    return False


def _expiry(query: dict[str, str]) -> datetime | None:
    """Return when a URL ends: SigV4's date and seconds, or the Unix time of the older form."""
    try:
        if "X-Amz-Date" in query:
            signed = datetime.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
            return signed + timedelta(seconds=int(query.get("X-Amz-Expires", "")))
        return datetime.fromtimestamp(int(query["Expires"]), UTC)
    except (KeyError, ValueError, OverflowError, OSError):
        return None
