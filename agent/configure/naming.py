"""Names and addresses of the node. The node name is the instance ID unless the settings say otherwise."""

from collections.abc import Iterable, Iterator
from ipaddress import IPv6Address, ip_network

from agent.configure import rules
from agent.configure.facts import Facts
from agent.configure.rules import Address, Network
from agent.configure.schema import RefusedError, dotted
from agent.configure.settings import Settings
from agent.model import Verdict

# EKS gives services 172.20.0.0/16 where the VPC begins with 10, and 10.100.0.0/16 elsewhere.
_IN_TEN = ip_network("172.20.0.0/16")
_ELSEWHERE = ip_network("10.100.0.0/16")
# The smallest service networks that EKS takes, where only the DNS service's address is known.
_SMALLEST = {4: 24, 6: 108}
# Cluster DNS is the tenth address of the services' network.
_DNS_HOST = 10


def node_name(settings: Settings, facts: Facts) -> str:
    """Return the node's name; kubelet would ask the kernel's host name, so it is always told."""
    kubernetes = settings.kubernetes
    if kubernetes.hostname_override:
        return kubernetes.hostname_override
    by_dns = kubernetes.hostname_override_source == "private-dns-name"
    return (_dhcp_name(facts) if by_dns else None) or facts.instance.instance_id


def provider_id(settings: Settings | None, facts: Facts) -> str:
    chosen = settings.kubernetes.provider_id if settings else None
    return chosen or f"aws:///{facts.instance.availability_zone}/{facts.instance.instance_id}"


def host_name(settings: Settings, facts: Facts) -> str:
    """Return the host name: as set, else the first one that DHCP would give, else the instance ID."""
    return settings.network.hostname or _dhcp_name(facts) or facts.instance.instance_id


def is_ipv6(settings: Settings) -> bool:
    """Whether the cluster's services, and so its nodes and pods, have IPv6 addresses."""
    if settings.kubernetes.cluster_dns_ip:
        return isinstance(settings.kubernetes.cluster_dns_ip[0], IPv6Address)
    return settings.kubernetes.service_cidr is not None and settings.kubernetes.service_cidr.version == 6


def needs_vpc_networks(settings: Settings | None) -> bool:
    """Whether something follows from the VPC's networks: the cluster's DNS, or what is reached without a proxy."""
    if settings is None:
        return False
    kubernetes = settings.kubernetes
    is_known = bool(kubernetes.cluster_dns_ip or kubernetes.service_cidr)
    return bool(settings.network.https_proxy) or not is_known


def cluster_dns(settings: Settings, facts: Facts) -> list[str]:
    if settings.kubernetes.cluster_dns_ip:
        return [str(address) for address in settings.kubernetes.cluster_dns_ip]
    return [str(_services(settings, facts)[_DNS_HOST])]


def service_networks(settings: Settings, facts: Facts) -> list[str]:
    """Return the networks of the cluster's services, as far as settings or the addresses of its DNS tell."""
    telling = _of_services(settings.kubernetes.cluster_dns_ip)
    if settings.kubernetes.service_cidr or not telling:
        return [str(_services(settings, facts))]
    return list(dict.fromkeys(str(_around(address)) for address in telling))


def node_ip(settings: Settings, facts: Facts) -> str | None:
    if settings.kubernetes.node_ip:
        return str(settings.kubernetes.node_ip)
    return facts.instance.ipv6 if is_ipv6(settings) else facts.instance.local_ipv4


def remarks(settings: Settings, facts: Facts) -> Iterator[Verdict]:
    """Say what was assumed, and which names or addresses do not fit together."""
    kubernetes = settings.kubernetes
    services = kubernetes.service_cidr
    if not kubernetes.cluster_dns_ip and services is None:
        assumed = cluster_dns(settings, facts)[0]
        message = f"missing: {assumed} is assumed, as EKS does by the VPC's network; set it if services are elsewhere"
        yield Verdict(dotted(("kubernetes", "cluster-dns-ip")), "warning", message, "instance metadata")
    telling = _of_services(kubernetes.cluster_dns_ip)
    if kubernetes.cluster_dns_ip and not telling and services is None and settings.network.https_proxy:
        message = (
            f"missing: {_services(settings, facts)} is assumed and reached without the proxy, as the DNS service's"
        )
        message += " address is the node's own and does not tell; set it if services are elsewhere"
        yield Verdict(dotted(("kubernetes", "service-cidr")), "warning", message, "instance metadata")
    outside = [str(address) for address in telling if services and address not in services]
    if outside:
        message = f"{', '.join(outside)} is not among the services of {services}; it is used all the same"
        yield Verdict(dotted(("kubernetes", "cluster-dns-ip")), "warning", message, "user data")
    if is_ipv6(settings) and not node_ip(settings, facts):
        message = "the cluster has IPv6 services, and the instance has no IPv6 address: kubelet chooses one itself"
        yield Verdict(dotted(("kubernetes", "node-ip")), "warning", message, "instance metadata")
    if kubernetes.hostname_override_source == "private-dns-name" and not _dhcp_name(facts):
        message = "metadata has no usable local-hostname: the instance ID names the node"
        yield Verdict(dotted(("kubernetes", "hostname-override-source")), "warning", message, "instance metadata")


def _dhcp_name(facts: Facts) -> str | None:
    """Return the private DNS name; a VPC with several domain names gives several, perhaps in upper case."""
    names = (facts.local_hostname or "").lower().split()
    try:
        return rules.host_name(names[0].rstrip(".")) if names else None
    except RefusedError:
        return None


def _services(settings: Settings, facts: Facts) -> Network:
    if settings.kubernetes.service_cidr:
        return settings.kubernetes.service_cidr
    return _IN_TEN if any(network.startswith("10.") for network in facts.vpc_networks[:1]) else _ELSEWHERE


def _of_services(dns: Iterable[Address]) -> list[Address]:
    """Return the addresses of DNS servers that are services: a cache of the node's own has a link-local one."""
    return [address for address in dns if not address.is_link_local]


def _around(address: Address) -> Network:
    """Return EKS's own network that an address is in, else the smallest around it."""
    usual = (network for network in (_IN_TEN, _ELSEWHERE) if address in network)
    return next(usual, ip_network(f"{address}/{_SMALLEST[address.version]}", strict=False))
