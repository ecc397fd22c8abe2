"""NodeClass (eks.amazonaws.com) of EKS Auto Mode: which of its fields a node has to know, and what becomes of them."""

from collections.abc import Container, Mapping
from itertools import chain, count

from agent.configure.mapping import Field
from agent.configure.schema import RefusedError

GROUP = "eks.amazonaws.com"
KIND = "NodeClass"
_EC2 = "whoever launches the instance sees to it"


def _bundles(raw: object) -> Mapping[str, object]:
    """Name each bundle and trust it: without a word a bundle of [settings.pki] is one to distrust."""
    if not isinstance(raw, list) or not all(
        isinstance(each, dict) and isinstance(each.get("name"), str) for each in raw
    ):
        raise RefusedError("a list of bundles, each with name and data")
    bundles: dict[str, object] = {}
    for each in raw:
        bundles[_free_name(each["name"], bundles)] = {"data": each.get("data", ""), "trusted": True}
    return bundles


def _free_name(name: str, taken: Container[str]) -> str:
    """Return the name, or the first of NAME-2, NAME-3 that is free: no bundle is lost to another of its name."""
    numbered = (f"{name}-{number}" for number in count(2))
    return next(each for each in chain([name], numbered) if each not in taken)


def _lower(raw: object) -> object:
    return raw.lower() if isinstance(raw, str) else raw


def _is_given(_terms: object) -> bool:
    return True


FIELDS: Mapping[str, Field] = {
    "advancedNetworking.httpsProxy": Field(("network", "https-proxy")),
    "advancedNetworking.noProxy": Field(("network", "no-proxy")),
    "advancedNetworking.associatePublicIPAddress": Field(None, _EC2),
    "advancedNetworking.enableV4Egress": Field(None, "of clusters with IPv6"),
    "advancedNetworking.ipv4PrefixSize": Field(None, _EC2),
    "certificateBundles": Field(("pki",), "each bundle under its name, trusted", _bundles),
    "podSubnetSelectorTerms": Field(("network", "pod-subnet"), "true where there are any", _is_given),
    "podSecurityGroupSelectorTerms": Field(None, _EC2),
    "snatPolicy": Field(("network", "snat-policy")),
    "networkPolicy": Field(("network", "network-policy")),
    "networkPolicyEventLogs": Field(("network", "network-policy-event-logs")),
    "ephemeralStorage.size": Field(None, "the data volume's; the node grows its file system to it"),
    "ephemeralStorage.iops": Field(None, _EC2),
    "ephemeralStorage.throughput": Field(None, _EC2),
    "ephemeralStorage.kmsKeyID": Field(None, _EC2),
    "advancedSecurity.fips": Field(("kernel", "fips")),
    "advancedSecurity.kernelLockdown": Field(("kernel", "lockdown"), "in lower case", _lower),
    "capacityReservationSelectorTerms": Field(None, _EC2),
    "instanceProfile": Field(None, _EC2),
    "role": Field(None, _EC2),
    "securityGroupSelectorTerms": Field(None, _EC2),
    "subnetSelectorTerms": Field(None, _EC2),
    "tags": Field(None, _EC2),
}
