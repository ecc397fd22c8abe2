"""Verdicts on what the API server says: TLS, authentication and the Node object."""

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

from agent.doctor.checks_host import keeps_restarting, words
from agent.doctor.checks_metadata import NOT_ASKED
from agent.doctor.evidence import Endpoint, Evidence, Metadata, Node, Taint, Trouble
from agent.doctor.remedy import Remedy, failed
from agent.doctor.report import Finding

UNINITIALIZED = "node.cloudprovider.kubernetes.io/uninitialized"
# How the keys of start-up taints end: Kubernetes' own (node.kubernetes.io/not-ready, network-unavailable), Karpenter's
# (karpenter.sh/unregistered), Cilium's and the CSI drivers' (node.cilium.io/agent-not-ready); and how those of the Node
# Readiness Controller begin.
_UNREADY = re.compile(
    r"(^|[/-])(not-ready|not-initialized|uninitialized|unregistered|unavailable|unreachable)$|^readiness\.k8s\.io/"
)
_KEEPS_AWAY = frozenset({"NoSchedule", "NoExecute"})
_SEE_OWNER = "wait a minute; then see the owner of the taint: a CNI's or CSI driver's pod on this node, or a controller"
# From kubelet's start, or from the Node's creation, to a CNI configuration and a provider ID that is accepted.
_JOINED_WITHIN = timedelta(minutes=2)

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
    "absent": Remedy("what answers there is no API server of EKS", "take the endpoint from `aws eks describe-cluster`"),
    "token": Remedy("no token can be made of the role's credentials", ""),
}


def tls(evidence: Evidence) -> Finding:
    seen = evidence.tls
    if seen is None:
        return NOT_ASKED
    if isinstance(seen, Trouble):
        return failed(seen, _TLS)
    return Finding("ok", f"{seen}, certificate of the cluster's CA")


def authentication(evidence: Evidence) -> Finding:
    seen = evidence.identity
    if seen is None or not isinstance(evidence.endpoint, Endpoint):
        return NOT_ASKED
    if isinstance(seen, Trouble):
        return failed(seen, _AUTHENTICATION)
    expected = f"system:node:{evidence.endpoint.node_name}"
    if seen.user != expected:
        said = f"the cluster sees {seen.user or 'nobody'}, and the node calls itself {expected}"
        return Finding("fail", said, *_misnamed(seen.user, evidence))
    if "system:nodes" not in seen.groups:
        return Finding("fail", f"{seen.user} is not in the group system:nodes", *_AUTHENTICATION["forbidden"])
    return Finding("ok", f"the cluster sees {seen.user}")


def _misnamed(user: str, evidence: Evidence) -> Remedy:
    """Tell who changed the name: an access entry of type EC2 gives the instance ID."""
    if isinstance(evidence.metadata, Metadata) and user == f"system:node:{evidence.metadata.instance_id}":
        return Remedy("settings.kubernetes.hostname-override renames the node", "remove it from the user data")
    return Remedy(
        "the access entry is not of type EC2, or maps the role to another name",
        "make the node role's access entry of type EC2",
    )


def node(evidence: Evidence) -> Finding:
    seen = evidence.node
    if seen is None:
        return NOT_ASKED
    found = _no_node(seen, evidence) if isinstance(seen, Trouble) else _registered(seen, evidence)
    if found.status == "fail" and _is_joining(evidence):
        return replace(found, status="unknown", cause="the node is still joining", action="wait two minutes")
    return found


def _is_joining(evidence: Evidence) -> bool:
    """Return whether it is too early to say that a node which is not Ready never will be."""
    seen, kubelet = evidence.node, evidence.units.get("kubelet.service")
    if isinstance(seen, Trouble) and seen.kind != "missing":
        return False
    ages = []
    if kubelet and kubelet.active_for is not None and not keeps_restarting(kubelet):
        ages.append(timedelta(seconds=kubelet.active_for))
    if isinstance(seen, Node) and seen.created is not None:
        ages.append(evidence.now - seen.created)
    return any(age < _JOINED_WITHIN for age in ages)


def _registered(seen: Node, evidence: Evidence) -> Finding:
    if seen.ready == "True":
        return _ready(seen)
    return _not_ready(seen, _complaint(evidence))


def _complaint(evidence: Evidence) -> str:
    kubelet = evidence.units.get("kubelet.service")
    return words(kubelet, "kubelet") if kubelet else ""


def _ready(seen: Node) -> Finding:
    if any(taint.key == UNINITIALIZED for taint in seen.taints):
        return Finding(
            "fail",
            f"Ready, but has the taint {UNINITIALIZED}",
            "the cloud node controller has not accepted its provider ID yet",
            "wait a minute; then see that the instance belongs to the cluster's account and region",
        )
    tainted = f", tainted {_listed(seen.taints)}" if seen.taints else ""
    starting = [taint for taint in seen.taints if _is_of_the_start(taint)]
    if starting:
        cause = f"{_listed(starting)} keeps pods away, and whoever removes it once the node is ready has not done so"
        return Finding("warn", f"Ready{tainted}", cause, _SEE_OWNER)
    if seen.pressures:
        said = f"Ready, with {', '.join(seen.pressures)}{tainted}"
        return Finding("warn", said, "the node is short of it, and evicts pods", "use a larger instance or volume")
    return Finding("ok", f"Ready{tainted}")


def _is_of_the_start(taint: Taint) -> bool:
    """Return whether a taint keeps pods away until something is ready; any other may be what the user wants."""
    return taint.effect in _KEEPS_AWAY and _UNREADY.search(taint.key) is not None


def _listed(taints: Iterable[Taint]) -> str:
    return ", ".join(map(str, taints))


def _no_node(trouble: Trouble, evidence: Evidence) -> Finding:
    if trouble.kind == "missing":
        return Finding(
            "fail",
            trouble.message + _complaint(evidence),
            "kubelet has not registered it",
            "see the journal of kubelet; an admission webhook may refuse Nodes",
        )
    return failed(trouble, _AUTHENTICATION)


def _not_ready(seen: Node, complaint: str) -> Finding:
    why = ": ".join(filter(None, (seen.reason, seen.message)))
    if seen.ready == "Unknown":
        said = ": ".join(filter(None, ("Ready is Unknown", why)))
        cause = "kubelet has stopped reporting" if why else "kubelet has registered it, and reported nothing yet"
        return Finding("fail", said + complaint, cause, "see the journal of kubelet")
    # kubelet's words for "no CNI configuration yet": NetworkPluginNotReady, `cni plugin not initialized`.
    if "cni" in why.lower() or "network" in why.lower():
        return Finding("fail", f"not Ready: {why}", "no CNI configuration", "see the journal of node-agent-network")
    said = ": ".join(filter(None, ("not Ready", why)))
    return Finding("fail", said + complaint, "", "see the journals of kubelet and containerd")
