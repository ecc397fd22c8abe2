"""The verdict on pulls of images: whose fault a failed one is, told by the words that stand behind the URL."""

import re
from typing import NamedTuple

from agent.doctor.checks_metadata import NOT_ASKED
from agent.doctor.evidence import Evidence, Node, Proxy, PullFailure, Trouble
from agent.doctor.remedy import Remedy
from agent.doctor.report import Finding
from agent.doctor.words import shortened

# URLs and images: account 602401143452 is no status, and an image may be called anything. Words with a slash go too,
# but for Go's "i/o timeout".
_NAMES = re.compile(r'\\*"[^"\\]*\\*"|(?<!\S)(?!i/o\b)\S*/\S*')
_LIMIT = 400
_WAY_OUT = "give the subnet a NAT gateway or VPC endpoints (ecr.api, ecr.dkr, s3), or set settings.network.https-proxy"


class _Fault(NamedTuple):
    """What a pull fails by: `whose` is the pod's (`image`), that of the way to every registry, or the node's."""

    words: re.Pattern[str]
    whose: str
    remedy: Remedy


# What the way says comes first: without an answer there is no status.
_FAULTS = (
    _Fault(
        re.compile(r"proxyconnect|\b407\b|Proxy Authentication Required"),
        "node",
        Remedy("the proxy refuses", "check settings.network.https-proxy and its credentials"),
    ),
    _Fault(
        re.compile(r"no such host|server misbehaving|\blookup\b"),
        "way",
        Remedy(
            "the registry's name does not resolve",
            "check the image's name, and that the VPC's DNS knows it (private DNS of the VPC endpoints), "
            "or set settings.network.https-proxy",
        ),
    ),
    _Fault(
        re.compile(
            r"i/o timeout|deadline exceeded|refused|unreachable|Client\.Timeout|handshake timeout|reset by peer"
        ),
        "way",
        Remedy("the node has no way to the registry", _WAY_OUT),
    ),
    # The words of Go's crypto/x509. Whether it is the node's clock that is wrong, `clock` has said before.
    _Fault(
        re.compile(r"certificate has expired or is not yet valid"),
        "image",
        Remedy(
            "the registry's certificate has expired, or is not valid yet",
            "have the registry's owner renew it, or take the image from another registry",
        ),
    ),
    _Fault(
        re.compile(r"certificate is (not )?valid for"),
        "image",
        Remedy(
            "the registry's certificate is for another name",
            "check the registry's name in the pod's image, and settings.container-registry.mirrors",
        ),
    ),
    _Fault(
        re.compile(r"\bx509\b|\bcertificate\b"),
        "node",
        Remedy("the registry's CA is not trusted, or a proxy intercepts TLS", "add its CA by settings.pki"),
    ),
    _Fault(
        re.compile(r"\b(401|403) (Unauthorized|Forbidden)|\bdenied\b|authorization failed|no basic auth"),
        "image",
        Remedy(
            "the node role may not pull it, or the registry's credentials are missing",
            "give the role AmazonEC2ContainerRegistryPullOnly, or set settings.container-registry.credentials",
        ),
    ),
    _Fault(
        re.compile(r"not found"),
        "image",
        Remedy("the registry has no such image", "check the pod's image, its tag and its architecture"),
    ),
)
_UNKNOWN = _Fault(re.compile(""), "image", Remedy("", "see the journal of containerd"))


def images(evidence: Evidence) -> Finding:
    """Judge the newest pull that failed; what only the pod's author can put right does not make a node unwell."""
    if evidence.pull_failures is None:
        return NOT_ASKED
    if not evidence.pull_failures:
        return _untried(evidence)
    failure = evidence.pull_failures[-1]
    said = f"pulling {failure.image} failed: {shortened(failure.reason, _LIMIT)}"
    fault = _fault(failure)
    return Finding("warn" if _is_of_the_pod(fault, evidence) else "fail", said, *fault.remedy)


def _fault(failure: PullFailure) -> _Fault:
    said = _NAMES.sub(" ", failure.reason.replace(failure.image, " "))
    return next((fault for fault in _FAULTS if fault.words.search(said)), _UNKNOWN)


def _is_of_the_pod(fault: _Fault, evidence: Evidence) -> bool:
    ready = isinstance(evidence.node, Node) and evidence.node.ready == "True"
    return ready and (fault.whose == "image" or (fault.whose == "way" and _reaches_a_registry(evidence)))


def _reaches_a_registry(evidence: Evidence) -> bool:
    # What a proxy of SOCKS reaches is not known: no reason to blame the node.
    by_proxy = isinstance(evidence.proxy, Proxy) and (evidence.proxy.status == 200 or evidence.proxy.socks)
    return by_proxy or isinstance(evidence.registry, str)


def _untried(evidence: Evidence) -> Finding:
    said = "no pull of an image has failed lately"
    if isinstance(evidence.registry, Trouble):
        # Nodes that pull from registries of their own do without.
        return Finding("warn", f"{said}; {evidence.registry.message}", "the node has no way to ECR", _WAY_OUT)
    return Finding("ok", f"{said}; ECR takes connections at {evidence.registry}" if evidence.registry else said)
