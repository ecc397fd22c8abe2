"""A failed pull: whose fault it is, and when it makes a node unwell."""

from dataclasses import replace

import pytest
from doctor.healthy import HEALTHY

from agent.doctor import parsing
from agent.doctor.chain import examine
from agent.doctor.evidence import Evidence, Node, Proxy, Trouble
from agent.doctor.report import Check

ACCOUNT = "602401143452.dkr.ecr.us-west-2.amazonaws.com/eks/kube-proxy:v1.36"
HEAD = 'failed to do request: Head \\"https://602401143452.dkr.ecr.us-west-2.amazonaws.com/v2/eks/manifests/v1.36\\": '
STATUS = (
    "unexpected status from HEAD request to https://602401143452.dkr.ecr.us-west-2.amazonaws.com/v2/eks/manifests/a: "
)
REFUSED = "tls: failed to verify certificate: x509: certificate"
EXPIRED = f"{REFUSED} has expired or is not yet valid: current time 2026-11-22T15:00:00Z is after 2026-11-01T00:00:00Z"
OTHER_NAME = f"{REFUSED} is valid for registry.example, not r.example"
NO_NAME = f"{REFUSED} is not valid for any names, but wanted to match r.example"
NOT_READY = Node("False", "KubeletNotReady", "cni plugin not initialized")


def pulled(reason: str, image: str = ACCOUNT) -> Evidence:
    """Return the evidence of a Ready node on which a pull failed, in containerd's own words."""
    line = (
        f'time="2026-11-22T15:00:00Z" level=error msg="PullImage \\"{image}\\" failed" '
        f'error="failed to pull and unpack image \\"{image}\\": failed to resolve reference \\"{image}\\": {reason}"'
    )
    return replace(HEALTHY, pull_failures=parsing.pull_failures([line]))


def judged(evidence: Evidence) -> Check:
    return next(check for check in examine(evidence).checks if check.id == "images")


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        (f"{HEAD}dial tcp 10.0.5.3:443: i/o timeout", "no way to the registry"),
        (f"{HEAD}dial tcp 10.0.5.3:443: connect: connection refused", "no way to the registry"),
        (f"{HEAD}net/http: TLS handshake timeout", "no way to the registry"),
        (f"{HEAD}dial tcp: lookup r.example on 10.0.0.2:53: no such host", "name does not resolve"),
        (f"{HEAD}dial tcp: lookup r.example on 10.0.0.2:53: i/o timeout", "name does not resolve"),
        (f"{HEAD}proxyconnect tcp: dial tcp 10.0.0.9:3128: connect: connection refused", "the proxy refuses"),
        (f"{HEAD}Proxy Authentication Required", "the proxy refuses"),
        (
            f"{HEAD}tls: failed to verify certificate: x509: certificate signed by unknown authority",
            "CA is not trusted",
        ),
        (f"{HEAD}{EXPIRED}", "certificate has expired, or is not valid yet"),
        (f"{HEAD}{OTHER_NAME}", "certificate is for another name"),
        (f"{HEAD}{NO_NAME}", "certificate is for another name"),
        (f"{STATUS}401 Unauthorized", "role may not pull"),
        (f"{STATUS}403 Forbidden", "role may not pull"),
        (f"{ACCOUNT}: not found", "no such image"),
        (f"{STATUS}500 Internal Server Error", ""),
    ],
)
def test_the_cause_is_told_by_what_stands_behind_the_url(reason: str, cause: str) -> None:
    found = judged(replace(pulled(reason), node=NOT_READY))
    assert found.status == "fail"
    assert cause in found.cause
    assert bool(cause) == bool(found.cause)


@pytest.mark.parametrize("image", ["r.example/certificate:1", "x509:407", "r.example:5000/407/denied:401"])
def test_an_image_may_be_called_anything(image: str) -> None:
    assert "no way to the registry" in judged(pulled("dial tcp 10.0.5.3:443: i/o timeout", image)).cause


@pytest.mark.parametrize(
    "reason",
    [
        *("docker.io/library/nginx:tpyo: not found", f"{STATUS}403 Forbidden", "of all things"),
        *(f"{HEAD}{EXPIRED}", f"{HEAD}{OTHER_NAME}", f"{HEAD}{NO_NAME}"),
    ],
)
def test_what_a_pods_author_can_put_right_is_a_warning_on_a_node_that_is_ready(reason: str) -> None:
    seen = pulled(reason, "docker.io/library/nginx:tpyo")
    assert judged(seen).status == "warn"
    assert examine(seen).healthy
    assert judged(replace(seen, node=NOT_READY)).status == "fail"


def test_a_certificate_that_nobody_trusts_is_the_nodes_trouble_and_a_proxys_is_its_own() -> None:
    assert judged(pulled(f"{HEAD}{REFUSED} signed by unknown authority")).status == "fail"
    assert judged(pulled(f"{HEAD}proxyconnect tcp: {EXPIRED}")).cause == "the proxy refuses"


def test_a_registry_that_is_not_reached_is_the_nodes_trouble_where_none_is() -> None:
    seen = pulled(f"{HEAD}dial tcp 10.0.5.3:443: i/o timeout")
    away = Trouble("timeout", "10.0.0.6:443 did not answer within 2 s")
    assert judged(replace(seen, registry=away)).status == "fail"
    assert judged(replace(seen, registry="10.0.0.6")).status == "warn"
    assert judged(replace(seen, proxy=Proxy("10.0.0.9:3128", "ecr:443", 200))).status == "warn"
    assert judged(replace(seen, proxy=Proxy("10.0.0.9:1080", "ecr:443", socks=True))).status == "warn"


def test_the_way_to_the_registry_is_no_more_than_a_warning_while_nothing_fails() -> None:
    found = judged(replace(HEALTHY, registry=Trouble("timeout", "10.0.0.6:443 did not answer within 2 s")))
    assert found.status == "warn"
    assert "10.0.0.6:443 did not answer" in found.evidence
    assert "NAT gateway" in found.action


def test_a_long_reason_keeps_its_end() -> None:
    found = judged(pulled(f"{HEAD}{'x' * 1000}: dial tcp 10.0.5.3:443: i/o timeout"))
    assert found.evidence.endswith("i/o timeout")
    assert len(found.evidence) < 600
