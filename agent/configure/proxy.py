"""The proxy settings of containerd, kubelet and our own uploads, as an environment file."""

from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import urlsplit

from agent.configure import naming
from agent.configure.facts import Facts
from agent.configure.settings import Settings
from agent.model import FileSpec

PATH = "/etc/network/proxy.env"
# Redundant on purpose: Go takes networks and bare IPv6 addresses, Python neither, curl each from some version on.
# 169.254.170.23 and fd00:ec2::23 are EKS Pod Identity's.
_ALWAYS_DIRECT = (
    "localhost", "127.0.0.0/8", "127.0.0.1", "::1", "169.254.169.254", "fd00:ec2::254", "[fd00:ec2::254]",
    "169.254.170.23", "fd00:ec2::23", "[fd00:ec2::23]",
)  # fmt: skip


def files(settings: Settings, facts: Facts) -> list[FileSpec]:
    """Return the file; it is there without a proxy too, so that units can rely on it.

    HTTP_PROXY is never set: what speaks plain HTTP here speaks to instance metadata.
    """
    proxy = settings.network.https_proxy
    direct = ",".join(no_proxy(settings, facts)) if proxy else ""
    pairs = {"HTTPS_PROXY": proxy, "https_proxy": proxy, "NO_PROXY": direct, "no_proxy": direct}
    text = "".join(f"{name}={value}\n" for name, value in pairs.items())
    return [FileSpec(PATH, text.encode(), 0o600 if "@" in proxy else 0o644)]


def no_proxy(settings: Settings, facts: Facts) -> list[str]:
    """Return what is reached directly: the user's entries in every form that is read, then what a node always needs."""
    kubernetes = settings.kubernetes
    wanted = [
        *(form for entry in settings.network.no_proxy for form in _forms(entry)),
        *_ALWAYS_DIRECT,
        urlsplit(kubernetes.api_server).hostname or "",
        naming.node_ip(settings, facts) or "",
        *naming.cluster_dns(settings, facts),
        *naming.service_networks(settings, facts),
        *facts.vpc_networks,
        ".svc",
        f".{kubernetes.cluster_domain}",
        ".cluster.local",
        *_private_names(facts),
    ]
    if "*" in wanted:
        return ["*"]
    return list(dict.fromkeys(filter(None, wanted)))


def _forms(entry: str) -> Iterator[str]:
    """Give an entry, in lower case as requests compares, and its twin where one program or another reads only that.

    Go knows an IPv6 address without brackets, and with them only beside a port; urllib wants them, requests neither.
    requests and curl know no `*.` but take `.`, as Go does.
    """
    name = entry.lower()
    yield name
    if name.startswith("*."):
        yield name.removeprefix("*")
    try:
        address = ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return
    yield str(address)
    if address.version == 6:
        yield f"[{address}]"


def _private_names(facts: Facts) -> list[str]:
    """Return the domains whose names have addresses of the VPC: instances, clusters' and interface endpoints' own.

    A regional service such as ECR keeps its public name behind a private endpoint: only the user can know.
    """
    region, domain = facts.instance.region, facts.instance.domain
    found = [f".{region}.eks.{domain}", f".{region}.vpce.{domain}"]
    return [".internal", *found] if (facts.local_hostname or "").rstrip(".").endswith(".internal") else found
