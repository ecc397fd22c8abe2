"""Verdicts on the network: the primary interface, the way to the API server as far as TCP, the proxy, other ENIs."""

from collections.abc import Sequence
from dataclasses import replace

from agent.dns_question import Taken
from agent.doctor.checks_metadata import NOT_ASKED
from agent.doctor.evidence import Endpoint, Evidence, Metadata, Proxy, Secondary, Trouble, Uplink
from agent.doctor.remedy import Remedy, failed
from agent.doctor.report import Finding

# IPv6 needs this much on every link (RFC 8200); below it the kernel drops a link's IPv6 addresses.
_SMALLEST_MTU = 1280
_SLOW_RESOLUTION = 1.0
# What the network daemon calls an ENI that is not usable yet; metadata is whole within 12 s, the rest takes no time.
_ON_ITS_WAY = frozenset({"link-missing", "link-seen", "metadata-pending", "configuring"})
_USABLE_WITHIN = 60.0
_NETWORK_JOURNAL = "see the journal of node-agent-network"
_ENI_ACTION = "see that EC2 has attached it and given it addresses; then the journal of node-agent-network"
_CHECK_DNS = "allow DNS (port 53) to the VPC's resolver, and check the VPC's DHCP options and forwarding rules"

_PRIMARY = {
    "missing": Remedy("the image has no driver for it", "use an instance type with an ENA interface (Nitro)"),
    "down": Remedy("systemd-networkd has not brought it up", "see the journal of systemd-networkd"),
    "carrier": Remedy("the ENI is detached, or its host has failed", "stop and start the instance"),
    "address": Remedy(
        "DHCP gave it none", "see the journal of systemd-networkd, and that the subnet's DHCP options exist"
    ),
    "route": Remedy("DHCP gave it no router", "see the subnet's DHCP options, and the journal of systemd-networkd"),
    "gateway": Remedy("the VPC router does not answer", "see that the ENI is attached to its subnet"),
}
_DNS = {
    "name": Remedy(
        "no such name exists in the VPC's DNS",
        "check settings.kubernetes.api-server; a private endpoint needs enableDnsSupport and enableDnsHostnames",
    ),
    "no-answer": Remedy("no DNS server answers", _CHECK_DNS),
    "silent": Remedy("a DNS server does not answer, and the next one is asked late", _CHECK_DNS),
    "failing": Remedy(
        "the DNS server fails for this name",
        "check the VPC's forwarding rules (Route 53 Resolver) and the servers of its DHCP options",
    ),
    "none": Remedy("no DNS server is configured", "see the domain-name-servers of the VPC's DHCP options"),
    "late": Remedy(
        "the machine is too busy, packets are lost, or only questions for IPv4 addresses are answered",
        "look again, see what uses the processor, and what filters DNS",
    ),
    "unknown": Remedy("no DNS server answers, or the one that does fails for this name (SERVFAIL)", _CHECK_DNS),
}
_TCP = {
    "timeout": Remedy(
        "a security group, route table or network ACL drops it",
        "allow TCP to the API server from the node's security group, and check the subnet's route",
    ),
    "refused": Remedy("no API server listens there", "check settings.kubernetes.api-server, and the cluster's health"),
    "unreachable": Remedy(
        "the node has no route there", "check the subnet's route table, and the node's address and default route"
    ),
}
# Answers after which the C library asks nobody else.
_SERVED = ("NOERROR", "NXDOMAIN")
_CHECK_PROXY = "check settings.network.https-proxy, and the proxy's own log"
_REACHES_NOT = "the proxy does not reach it"
_PROXY = {
    "name": Remedy("settings.network.https-proxy names a host that does not exist", _CHECK_PROXY),
    "no-answer": Remedy("DNS does not answer for the host of settings.network.https-proxy", _CHECK_DNS),
    "failing": Remedy("DNS fails for the host of settings.network.https-proxy", _CHECK_DNS),
    "timeout": Remedy("a security group or the route to the proxy drops it", _CHECK_PROXY),
    "refused": Remedy("no proxy listens there", _CHECK_PROXY),
    "unreachable": Remedy("the node has no route to the proxy", _CHECK_PROXY),
    "silent": Remedy(_REACHES_NOT, _CHECK_PROXY),
    "protocol": Remedy("what listens there is no HTTP proxy", _CHECK_PROXY),
    "settings": Remedy("settings.network.https-proxy is no URL of a proxy", _CHECK_PROXY),
}
_SOCKS = Remedy(
    "containerd and kubelet go through it, and uploads of bundles cannot",
    "for NodeDiagnostics take `destination: node`, or give settings.network.https-proxy an http:// or https:// URL",
)
_REFUSED_BY_PROXY = {
    403: "the proxy's rules do not allow it",
    407: "the proxy wants credentials, or refuses those in settings.network.https-proxy",
}


def primary(evidence: Evidence) -> Finding:
    seen = evidence.uplink
    if seen is None:
        return NOT_ASKED
    if isinstance(seen, Trouble):
        return failed(seen, _PRIMARY)
    trouble = _uplink_trouble(seen)
    if trouble is not None:
        finding = failed(trouble, _PRIMARY)
        # Whatever it looks like here, what a node needs is reached.
        reached = isinstance(evidence.connection, str) and isinstance(evidence.metadata, Metadata)
        return replace(finding, status="warn") if reached else finding
    said = f"{seen.name} has {', '.join(seen.addresses)}, gateway {', '.join(seen.gateways)}, MTU {seen.mtu}"
    if seen.mtu < _SMALLEST_MTU:
        return Finding("warn", said, "an MTU this small breaks IPv6", "check what sets the MTU of the interface")
    return Finding("ok", said)


def _uplink_trouble(seen: Uplink) -> Trouble | None:
    found = (
        (not seen.up, Trouble("down", f"{seen.name} is down")),
        (not seen.carrier, Trouble("carrier", f"{seen.name} has no carrier")),
        (not seen.addresses, Trouble("address", f"{seen.name} has no address")),
        (not seen.gateways, Trouble("route", f"{seen.name} has no default route")),
        (
            bool(seen.gateways) and set(seen.gateways) == set(seen.silent),
            Trouble("gateway", f"the gateway {', '.join(seen.gateways)} of {seen.name} does not answer"),
        ),
    )
    return next((trouble for holds, trouble in found if holds), None)


def dns(evidence: Evidence) -> Finding:
    seen = evidence.resolution
    if isinstance(evidence.endpoint, Trouble):
        return Finding(
            "fail", evidence.endpoint.message, "configure did not render it", "see the journal of node-agent-configure"
        )
    if evidence.endpoint is None or seen is None:
        return NOT_ASKED
    asked = evidence.nameservers
    took = "; ".join(map(_took, asked or ()))
    if isinstance(seen, Trouble):
        message = f"{seen.message}; {took}" if took else seen.message
        return failed(Trouble(_why_unresolved(seen.kind, asked), message), _DNS)
    answered = f" ({took})" if took else ""
    said = f"{evidence.endpoint.host} is {', '.join(seen.addresses)}, after {seen.seconds * 1000:.0f} ms{answered}"
    if seen.seconds > _SLOW_RESOLUTION:
        return Finding("warn", said, *_DNS["late" if asked and all(each.code for each in asked) else "silent"])
    return Finding("ok", said)


def _took(question: Taken) -> str:
    if not question.code:
        return f"{question.server} does not answer"
    said = "answers" if question.code == "NOERROR" else f"answers {question.code}"
    return f"{question.server} {said} in {question.seconds * 1000:.0f} ms"


def _why_unresolved(kind: str, asked: Sequence[Taken] | None) -> str:
    """Tell apart what the C library calls a temporary failure, by how the servers took a question of their own."""
    if kind == "name":
        return kind
    if not asked:
        return "unknown" if asked is None else "none"
    if not any(question.code for question in asked):
        return "no-answer"
    served = [question.code in _SERVED for question in asked]
    if not any(served):
        return "failing"
    return "late" if served[0] else "silent" if not asked[0].code else "failing"


def tcp(evidence: Evidence) -> Finding:
    seen = evidence.connection
    if seen is None or not isinstance(evidence.endpoint, Endpoint):
        return NOT_ASKED
    if isinstance(seen, Trouble):
        return failed(seen, _TCP)
    return Finding("ok", f"{seen} takes connections to port {evidence.endpoint.port}")


def proxy(evidence: Evidence) -> Finding:
    """Judge the HTTPS proxy: images and uploads go through it, the API server does not."""
    seen = evidence.proxy
    if seen is None:
        return NOT_ASKED
    if isinstance(seen, Trouble):
        # A proxy that waits for what it was asked for does its own work.
        return replace(failed(seen, _PROXY), status="warn" if seen.kind == "silent" else "fail")
    if not seen.address:
        bypassed = f"settings.network.no-proxy has {seen.target} reached without it"
        return Finding("ok", bypassed if seen.bypassed else "none is set")
    return _asked_proxy(seen)


def _asked_proxy(seen: Proxy) -> Finding:
    if seen.socks:
        said = f"{seen.address} takes connections; what it reaches cannot be asked through SOCKS"
        return Finding("warn", said, *_SOCKS)
    if seen.status == 200:
        return Finding("ok", f"{seen.address} connects to {seen.target}")
    said = f"{seen.address} answers {seen.status} to CONNECT {seen.target}"
    if seen.status in _REFUSED_BY_PROXY:
        return Finding("fail", said, _REFUSED_BY_PROXY[seen.status], _CHECK_PROXY)
    # 502, 503, 504: the proxy works, and what it was asked for does not answer it.
    return Finding("warn", said, _REACHES_NOT, _CHECK_PROXY)


def enis(evidence: Evidence) -> Finding:
    if evidence.secondaries is None:
        return NOT_ASKED
    if not evidence.secondaries:
        return Finding("ok", "the node has no secondary ENI")
    bad = [eni for eni in evidence.secondaries if eni.state == "degraded"]
    if bad:
        return Finding("fail", _states(bad), "pods on this ENI have no network", _NETWORK_JOURNAL)
    waiting = [eni for eni in evidence.secondaries if eni.state in _ON_ITS_WAY]
    return _on_their_way(waiting) if waiting else Finding("ok", _states(evidence.secondaries))


def _on_their_way(enis: Sequence[Secondary]) -> Finding:
    late = [eni for eni in enis if eni.seconds > _USABLE_WITHIN]
    if not late:
        return Finding("warn", _states(enis), "it was attached or detached just now", "wait a minute")
    return Finding(
        "fail", f"{_states(late)}, for over a minute", "metadata or the kernel does not show all of it", _ENI_ACTION
    )


def _states(enis: Sequence[Secondary]) -> str:
    return "; ".join(f"{eni.name} {eni.state}: {eni.reason}".rstrip(": ") for eni in enis)
