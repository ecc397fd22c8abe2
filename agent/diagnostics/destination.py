"""Where a bundle may go: rules of the URL, of the peer that its host turns out to be, and of the answer."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TypeAlias
from urllib.parse import SplitResult, parse_qs, parse_qsl, unquote, urlsplit

from agent.errors import FailedError, SettingsError
from agent.redaction import CUT, redact

Network: TypeAlias = IPv4Network | IPv6Network

NODE = "node"
# One PUT to S3 takes at most 5 GB.
MOST_BYTES = 5 * 10**9
# How long a URL that does not say when it ends is tried.
UNKNOWN_LIFETIME = timedelta(hours=1)

_HINT = "give a pre-signed https URL that takes one PUT"
# Instance metadata, Pod Identity, the VPC's resolver and time: nothing there takes a bundle.
_NEVER = tuple(
    map(ip_network, ("169.254.0.0/16", "fe80::/10", "fd00:ec2::/32", "0.0.0.0/8", "224.0.0.0/4", "ff00::/8", "::/128"))
)
_LOOPBACK = tuple(map(ip_network, ("127.0.0.0/8", "::1/128")))
# The service ranges that EKS chooses by itself (https://docs.aws.amazon.com/eks/latest/userguide/network-reqs.html).
_EKS_SERVICE_RANGES = tuple(map(ip_network, ("10.100.0.0/16", "172.20.0.0/16")))
_SHORTEST_SECRET = 6
_WORD_LIMIT = 200


@dataclass(frozen=True, slots=True)
class Destination:
    """A checked URL: its host may be said, its path and query may not."""

    host: str
    port: int
    target: str = field(repr=False)
    expires: datetime | None

    def deadline(self, now: datetime) -> datetime:
        """Return until when an upload may be tried."""
        return self.expires or now + UNKNOWN_LIFETIME

    def scrub(self, text: str) -> str:
        """Return text without anything that the URL's query holds, however it was written."""
        _, _, query = self.target.partition("?")
        values = {value for _, value in parse_qsl(query)} | {pair.partition("=")[2] for pair in query.split("&")}
        for value in sorted(values | {unquote(value) for value in values}, key=len, reverse=True):
            if len(value) >= _SHORTEST_SECRET:
                text = text.replace(value, CUT)
        return redact(text)


class Next(Enum):
    """What an answer means for the upload."""

    DONE = auto()
    AGAIN = auto()
    GIVE_UP = auto()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an answer means, and S3's own words for it."""

    next: Next
    status: int
    code: str
    message: str


def parse(text: str) -> Destination:
    """Check a destination before anything is collected for it."""
    try:
        url = urlsplit(text)
        port = url.port or 443
    except ValueError as error:
        raise SettingsError("the destination is no URL", hint=_HINT) from error
    if problem := _problem(text, url):
        raise SettingsError(problem, hint=_HINT)
    query = {name: values[0] for name, values in parse_qs(url.query).items()}
    signed = {name for name in query.get("X-Amz-SignedHeaders", "host").lower().split(";") if name}
    if unknown := sorted(signed - {"host"}):
        raise SettingsError(
            f"the URL signs headers that the agent does not send: {', '.join(unknown)[:_WORD_LIMIT]}",
            hint="sign the host only, without ContentType, metadata or checksum",
        )
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    return Destination(url.hostname or "", port, target, _expiry(query))


def check_peer(peer: str, own: str, refused: Iterable[Network], allowed: Iterable[str]) -> None:
    """Refuse a peer that no bundle may go to; `own` is our address of the connection."""
    address = ip_address(peer)
    address = getattr(address, "ipv4_mapped", None) or address
    if str(address) in allowed:
        return
    why = ""
    if any(address in network for network in _NEVER):
        why = "link-local or never a server"
    elif peer == own or any(address in network for network in _LOOPBACK):
        why = "this node itself"
    elif any(address in network for network in refused):
        why = "the cluster's own"
    if why:
        raise FailedError(f"the destination's address {address} is refused: {why}", hint="give the URL of an S3 bucket")


def service_range(cluster_dns: str) -> Network:
    """Return the range of service addresses around the cluster's DNS address, as far as it can be known from it."""
    address = ip_address(cluster_dns)
    for network in _EKS_SERVICE_RANGES:
        if address in network:
            return network
    # EKS's IPv6 service range is a /108; the smallest IPv4 range that it takes is a /24.
    return ip_network((cluster_dns, 108 if address.version == 6 else 24), strict=False)


def judge(status: int, body: bytes) -> Verdict:
    """Return what an answer to the PUT means."""
    code, message = _element(body, "Code"), _element(body, "Message")
    if 200 <= status < 300:
        return Verdict(Next.DONE, status, code, message)
    if 300 <= status < 400:
        return Verdict(
            Next.GIVE_UP, status, code, message or "redirects are not followed: use the bucket's regional endpoint"
        )
    transient = status in {408, 425, 429} or status >= 500 or code in {"SlowDown", "RequestTimeout"}
    return Verdict(Next.AGAIN if transient else Next.GIVE_UP, status, code, message)


def _problem(text: str, url: SplitResult) -> str:
    if not text.isascii() or not text.isprintable() or " " in text:
        return "the destination holds characters that no URL has"
    if url.scheme != "https":
        return "the destination is not an https URL"
    if not url.hostname:
        return "the destination names no host"
    if url.username is not None or url.fragment:
        return "the destination has a user name or a fragment"
    return ""


def _expiry(query: dict[str, str]) -> datetime | None:
    """Return when a URL ends: SigV4's date and seconds, or the Unix time of the older form."""
    try:
        if "X-Amz-Date" in query:
            signed = datetime.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
            return signed + timedelta(seconds=int(query.get("X-Amz-Expires", "")))
        return datetime.fromtimestamp(int(query["Expires"]), UTC)
    except (KeyError, ValueError, OverflowError, OSError):
        return None


def _element(body: bytes, name: str) -> str:
    """Return an element of S3's error, printable and short; no XML parser sees what a stranger sent."""
    found = re.search(rf"<{name}>([^<]*)</{name}>", body.decode(errors="replace"))
    text = "".join(char if char.isprintable() else " " for char in found[1]) if found else ""
    return " ".join(text.split())[:_WORD_LIMIT]
