"""The rules of single values: a rule takes what a document holds and returns the value, or raises RefusedError.

The patterns are those of Bottlerocket's settings SDK (modeled-types), where kubelet is not stricter.
"""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from agent.configure.schema import RefusedError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_CLUSTER_NAME = re.compile(r"[0-9A-Za-z][A-Za-z0-9_-]{0,99}")
_IDENTIFIER = re.compile(r"[A-Za-z0-9-]{1,76}")
_DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_LABEL_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_QUANTITY = re.compile(r"[0-9]+(\.[0-9]+)?([EPTGMk]i?|Ki|m)?")
_PERCENT = re.compile(r"[0-9]{1,2}(\.[0-9]+)?%")
_SYSCTL = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9*])?")
_PROXY_SCHEMES = ("http", "https", "socks5")
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_SIGNALS = ("memory.available", "nodefs.available", "nodefs.inodesFree", "imagefs.available", "imagefs.inodesFree",
            "pid.available")  # fmt: skip
_RESERVABLE = ("cpu", "memory", "ephemeral-storage", "pid")
# Labels that kubelet may set on itself inside the reserved domains; with any other one it exits at its start
# (k8s.io/kubernetes pkg/kubelet/apis/well_known_labels.go).
_OWN_LABELS = frozenset({
    "kubernetes.io/hostname", "kubernetes.io/arch", "kubernetes.io/os", "beta.kubernetes.io/os",
    "beta.kubernetes.io/arch", "beta.kubernetes.io/instance-type", "node.kubernetes.io/instance-type",
    "failure-domain.beta.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/region",
    "topology.kubernetes.io/zone", "topology.kubernetes.io/region",
})  # fmt: skip
_OWN_DOMAINS = ("kubelet.kubernetes.io", "node.kubernetes.io")
_RESERVED_DOMAINS = ("kubernetes.io", "k8s.io")


@dataclass(frozen=True, slots=True)
class Taint:
    """One value and effect of a taint; its key is the name of the entry."""

    value: str
    effect: str


def integer(least: int, most: int) -> Callable[[object], int]:
    def rule(raw: object) -> int:
        if not isinstance(raw, int) or isinstance(raw, bool) or not least <= raw <= most:
            raise RefusedError(f"an integer from {least} to {most}")
        return raw

    return rule


def boolean(raw: object) -> bool:
    if not isinstance(raw, bool):
        raise RefusedError("true or false, without quotes")
    return raw


def quantity(raw: object) -> str:
    return _matching(raw, _QUANTITY, "a Kubernetes quantity such as 100Mi, 1.5Gi or 250m")


def identifier(raw: object) -> str:
    return _matching(raw, _IDENTIFIER, "1 to 76 letters, digits and hyphens")


def cluster_name(raw: object) -> str:
    rule = "the name of the EKS cluster: at most 100 letters, digits, hyphens and underscores"
    return _matching(raw, _CLUSTER_NAME, rule)


def api_server(raw: object) -> str:
    parts = _url(raw)
    if parts is None or parts.scheme != "https" or "@" in parts.netloc or parts.query or parts.fragment:
        raise RefusedError("an https URL, such as https://EXAMPLE.gr7.us-west-2.eks.amazonaws.com")
    return parts.geturl().rstrip("/")


def proxy(raw: object) -> str:
    """Keep what the user wrote, with the `http://` that Go puts before a bare host and port."""
    text = raw if isinstance(raw, str) else ""
    if text.strip() == "":
        return ""
    parts = _url(text if "://" in text else f"http://{text}")
    if parts is None or parts.scheme not in _PROXY_SCHEMES or parts.path not in {"", "/"} or parts.query:
        raise RefusedError("the URL of a proxy without a path, such as http://proxy.example.com:3128")
    return parts.geturl().rstrip("/")


def no_proxy(raw: object) -> tuple[str, ...]:
    entries = tuple(text.strip() for text in _texts(raw))
    if any(len(entry) > 255 or "," in entry or _unprintable(entry) for entry in entries):
        raise RefusedError("a list of hosts, domains, addresses and networks without spaces or commas")
    return tuple(entry for entry in entries if entry)


def addresses(raw: object) -> tuple[Address, ...]:
    """Take one address or a list of them."""
    try:
        found = tuple(ipaddress.ip_address(text) for text in ([raw] if isinstance(raw, str) else _texts(raw)))
    except ValueError:
        found = ()
    if not found or any("%" in str(address) for address in found):
        raise RefusedError("an IP address or a list of IP addresses")
    return found


def domain(raw: object) -> str:
    return _dns_name(raw, 253, "a lower-case DNS domain such as cluster.local")


def host_name(raw: object) -> str:
    """Linux keeps at most 64 characters of a host name (sethostname(2))."""
    return _dns_name(raw, 64, "a lower-case host name of at most 64 characters")


def sysctls(raw: object) -> tuple[str, ...]:
    return tuple(
        _matching(text, _SYSCTL, "a list of sysctl names or patterns such as net.core.*") for text in _texts(raw)
    )


def label(name: str, raw: object) -> str:
    _qualified(name)
    if not isinstance(raw, str) or (raw and not _LABEL_NAME.fullmatch(raw)):
        raise RefusedError(
            "empty or 1 to 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit"
        )
    space = name.rpartition("/")[0]
    if name not in _OWN_LABELS and _within(space, _RESERVED_DOMAINS) and not _within(space, _OWN_DOMAINS):
        raise RefusedError("a label that kubelet may set on itself: this one is reserved, and kubelet would not start")
    return raw


def taints(name: str, raw: object) -> tuple[Taint, ...]:
    """Take a list of "value:Effect", or one of them; the value may be empty."""
    _qualified(name)
    return tuple(_taint(text) for text in ([raw] if isinstance(raw, str) else _texts(raw)))


def eviction(name: str, raw: object) -> str:
    if name not in _SIGNALS:
        raise RefusedError(f"under one of {', '.join(_SIGNALS)}")
    if isinstance(raw, str) and _PERCENT.fullmatch(raw):
        return raw
    return quantity(raw)


def reservation(name: str, raw: object) -> str:
    if name not in _RESERVABLE:
        raise RefusedError(f"under one of {', '.join(_RESERVABLE)}")
    return quantity(raw)


def _taint(text: str) -> Taint:
    value, colon, effect = text.rpartition(":")
    if not colon or effect not in _EFFECTS or (value and not _LABEL_NAME.fullmatch(value)):
        raise RefusedError(f'"value:Effect" or a list of those, the effect being {", ".join(_EFFECTS)}')
    return Taint(value, effect)


def _qualified(name: str) -> None:
    prefix, slash, rest = name.rpartition("/")
    if not _LABEL_NAME.fullmatch(rest) or (slash and not _is_dns_name(prefix, 253)):
        raise RefusedError("under a Kubernetes name such as example.com/team")


def _within(space: str, domains: tuple[str, ...]) -> bool:
    return any(space == each or space.endswith(f".{each}") for each in domains)


def _dns_name(raw: object, most: int, rule: str) -> str:
    if not isinstance(raw, str) or not _is_dns_name(raw, most):
        raise RefusedError(rule)
    return raw


def _is_dns_name(text: str, most: int) -> bool:
    return len(text) <= most and all(_DNS_LABEL.fullmatch(each) for each in text.split("."))


def _matching(raw: object, pattern: re.Pattern[str], rule: str) -> str:
    if not isinstance(raw, str) or not pattern.fullmatch(raw):
        raise RefusedError(rule)
    return raw


def _texts(raw: object) -> list[str]:
    if not isinstance(raw, list) or not all(isinstance(each, str) for each in raw):
        raise RefusedError("a list of strings")
    return raw


def _url(raw: object) -> SplitResult | None:
    """Return the parts of a URL that has a host, or None; urlsplit itself drops some control characters."""
    if not isinstance(raw, str) or len(raw) > 2048 or _unprintable(raw):
        return None
    try:
        parts = urlsplit(raw)
        usable = parts.hostname and parts.port != 0  # reading the port checks its range
    except ValueError:
        return None
    return parts if usable else None


def _unprintable(text: str) -> bool:
    """Whether something in it has no place in a line of a configuration file: controls, spaces, quotes."""
    return not (text.isascii() and text.isprintable()) or any(character in text for character in " \"'\\$`")
