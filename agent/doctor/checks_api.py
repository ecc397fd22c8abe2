"""Verdicts on the way to the API server, link by link, and on the Node object."""

from typing import NamedTuple

from agent.doctor.checks_metadata import NOT_ASKED
from agent.doctor.evidence import Endpoint, Evidence, Trouble
from agent.doctor.report import Finding

UNINITIALIZED = "node.cloudprovider.kubernetes.io/uninitialized"


class Remedy(NamedTuple):
    """The likely cause of a kind of trouble, and what to do."""

    cause: str
    action: str


_DNS = {
    "name": Remedy(
        "no such name exists in the VPC's DNS",
        "check settings.kubernetes.api-server; a private endpoint needs enableDnsSupport and enableDnsHostnames",
    ),
    "no-answer": Remedy(
        "no DNS server answers", "allow DNS (port 53) to the VPC's resolver, and check the VPC's DHCP options"
    ),
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
_TLS = {
    "issuer": Remedy(
        "settings.kubernetes.cluster-certificate is not of this cluster, or a proxy intercepts TLS",
        "take the certificate from `aws eks describe-cluster`, and launch a new node",
    ),
    "hostname": Remedy(
        "settings.kubernetes.api-server names another host than the certificate",
        "take the endpoint from `aws eks describe-cluster`",
    ),
    "expired": Remedy(
        "the certificate has expired, or the node's clock is ahead", "check the node's time, then the cluster's CA"
    ),
    "not-yet-valid": Remedy("the node's clock is behind", "see that time is synchronised (169.254.169.123)"),
    "ca": Remedy(
        "settings.kubernetes.cluster-certificate is not a certificate",
        "take the certificate from `aws eks describe-cluster`, and launch a new node",
    ),
    "timeout": Remedy(
        "small packets pass and large ones do not (MTU), or a proxy holds the connection",
        "check the MTU along the way, and what listens at the endpoint",
    ),
    "protocol": Remedy("what listens there does not speak TLS", "check settings.kubernetes.api-server and its port"),
}
_AUTHENTICATION = {
    "unauthorized": Remedy(
        "the cluster has no access entry for the node role, cluster-name is wrong, or the clock is",
        "create an access entry of type EC2 for the role; check settings.kubernetes.cluster-name and the node's time",
    ),
    "forbidden": Remedy(
        "the node role's access entry gives it too little", "make its type EC2, with the Auto Mode node policy"
    ),
    "server": Remedy("the API server or its authenticator is overloaded or failing", "check the cluster's health"),
    "timeout": Remedy("the API server or its authenticator is overloaded or failing", "check the cluster's health"),
    "token": Remedy("no token can be made of the role's credentials", ""),
}
_UNEXPECTED = Remedy("", "")


def _failed(trouble: Trouble, remedies: dict[str, Remedy]) -> Finding:
    remedy = remedies.get(trouble.kind, _UNEXPECTED)
    return Finding(
        "fail",
        trouble.message,
        remedy.cause,
        remedy.action or trouble.hint or "see node-agent status and the journal of kubelet",
    )


def dns(evidence: Evidence) -> Finding:
    seen = evidence.addresses
    if isinstance(evidence.endpoint, Trouble):
        return Finding("fail", evidence.endpoint.message, "configure did not render it", "run node-agent configure")
    if evidence.endpoint is None or seen is None:
        return NOT_ASKED
    if isinstance(seen, Trouble):
        return _failed(seen, _DNS)
    return Finding("ok", f"{evidence.endpoint.host} is {', '.join(seen)}")


def tcp(evidence: Evidence) -> Finding:
    seen = evidence.connection
    if seen is None or not isinstance(evidence.endpoint, Endpoint):
        return NOT_ASKED
    if isinstance(seen, Trouble):
        return _failed(seen, _TCP)
    return Finding("ok", f"{seen} takes connections to port {evidence.endpoint.port}")


def tls(evidence: Evidence) -> Finding:
    seen = evidence.tls
    if seen is None:
        return NOT_ASKED
    if isinstance(seen, Trouble):
        return _failed(seen, _TLS)
    return Finding("ok", f"{seen}, certificate of the cluster's CA")


def authentication(evidence: Evidence) -> Finding:
    seen = evidence.identity
    if seen is None or not isinstance(evidence.endpoint, Endpoint):
        return NOT_ASKED
    if isinstance(seen, Trouble):
        return _failed(seen, _AUTHENTICATION)
    expected = f"system:node:{evidence.endpoint.node_name}"
    if seen.user != expected:
        return Finding(
            "fail",
            f"the cluster sees {seen.user or 'nobody'}, and the node calls itself {expected}",
            "the access entry is not of type EC2, or maps the role to another name",
            "make the node role's access entry of type EC2",
        )
    if "system:nodes" not in seen.groups:
        return Finding("fail", f"{seen.user} is not in the group system:nodes", *_AUTHENTICATION["forbidden"])
    return Finding("ok", f"the cluster sees {seen.user}")


def node(evidence: Evidence) -> Finding:
    seen = evidence.node
    if seen is None:
        return NOT_ASKED
    if isinstance(seen, Trouble):
        return _no_node(seen)
    if seen.ready != "True":
        return _not_ready(seen.ready, ": ".join(filter(None, (seen.reason, seen.message))))
    if UNINITIALIZED in seen.taints:
        return Finding(
            "fail",
            f"Ready, but has the taint {UNINITIALIZED}",
            "the cloud node controller has not accepted its provider ID yet",
            "wait a minute; then see that the instance belongs to the cluster's account and region",
        )
    return Finding("ok", "Ready")


def _no_node(trouble: Trouble) -> Finding:
    if trouble.kind == "missing":
        return Finding(
            "fail",
            trouble.message,
            "kubelet has not registered it",
            "see the journal of kubelet; an admission webhook may refuse Nodes",
        )
    return _failed(trouble, _AUTHENTICATION)


def _not_ready(ready: str, why: str) -> Finding:
    if ready == "Unknown":
        return Finding(
            "fail", f"Ready is Unknown: {why}", "kubelet has stopped reporting", "see the journal of kubelet"
        )
    # kubelet's words for "no CNI configuration yet": NetworkPluginNotReady, `cni plugin not initialized`.
    if "cni" in why.lower() or "network" in why.lower():
        return Finding("fail", f"not Ready: {why}", "no CNI configuration", "see the journal of node-agent-network")
    return Finding("fail", f"not Ready: {why}", "", "see the journals of kubelet and containerd")
