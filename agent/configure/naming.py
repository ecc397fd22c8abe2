"""Names and addresses of the node. The node name is the instance ID, whatever the host is called."""

from ipaddress import IPv6Address, ip_network

from agent.configure import rules
from agent.configure.facts import Facts
from agent.configure.schema import RefusedError
from agent.configure.settings import Settings

# EKS gives services 172.20.0.0/16 where the VPC begins with 10, and 10.100.0.0/16 elsewhere.
_DNS_IN_TEN = "172.20.0.10"
_DNS_ELSEWHERE = "10.100.0.10"
# Where only the DNS service's address is known: EKS's own networks, else the smallest that EKS takes.
_SERVICES = ("172.20.0.0/16", "10.100.0.0/16")
_SMALLEST = {4: 24, 6: 108}


def provider_id(facts: Facts) -> str:
    return f"aws:///{facts.instance.availability_zone}/{facts.instance.instance_id}"


def host_name(settings: Settings, facts: Facts) -> str:
    """Return the host name: as set, else the first one that DHCP would give, else the instance ID."""
    if settings.network.hostname:
        return settings.network.hostname
    # With several domain names in its DHCP options a VPC gives several names; they may be in upper case.
    names = (facts.local_hostname or "").lower().split()
    try:
        return rules.host_name(names[0].rstrip(".")) if names else facts.instance.instance_id
    except RefusedError:
        return facts.instance.instance_id


def is_ipv6(settings: Settings) -> bool:
    """Whether the cluster's services, and so its nodes and pods, have IPv6 addresses."""
    return any(isinstance(address, IPv6Address) for address in settings.kubernetes.cluster_dns_ip[:1])


def needs_vpc_networks(settings: Settings | None) -> bool:
    """Whether something follows from the VPC's networks: the cluster's DNS, or what is reached without a proxy."""
    return settings is not None and not (settings.kubernetes.cluster_dns_ip and not settings.network.https_proxy)


def cluster_dns(settings: Settings, facts: Facts) -> list[str]:
    if settings.kubernetes.cluster_dns_ip:
        return [str(address) for address in settings.kubernetes.cluster_dns_ip]
    in_ten = any(network.startswith("10.") for network in facts.vpc_networks[:1])
    return [_DNS_IN_TEN if in_ten else _DNS_ELSEWHERE]


def service_networks(settings: Settings, facts: Facts) -> list[str]:
    """Return the networks of the cluster's services, as far as the addresses of its DNS tell."""
    found = []
    for text in cluster_dns(settings, facts):
        smallest = ip_network(f"{text}/{_SMALLEST[6 if ':' in text else 4]}", strict=False)
        usual = (each for each in map(ip_network, _SERVICES) if each.version == smallest.version)
        found.append(str(next((each for each in usual if smallest.network_address in each), smallest)))
    return list(dict.fromkeys(found))


def node_ip(settings: Settings, facts: Facts) -> str | None:
    return facts.instance.ipv6 if is_ipv6(settings) else facts.instance.local_ipv4
