"""The cluster side of the world: real programs, asked as a node and as a person would."""

from __future__ import annotations

import base64
import json
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from cluster_ground import NODE, UNINITIALIZED, Ground, initialized, node_object, standing
from world.facts import ZONE
from world.processes import ProcessError
from world.waiting import until

pytestmark = pytest.mark.netns

IMPERSONATION = """
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: test-impersonate}
rules: [{apiGroups: [""], resources: ["users"], resourceNames: ["eks-auto:test"], verbs: ["impersonate"]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: test-impersonate}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: test-impersonate}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: "system:nodes"}]
"""


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with standing(tmp_path_factory.mktemp("cluster"), api="10.0.0.10", s3="10.0.0.11") as made:
        yield made


def test_a_token_of_the_instance_role_is_the_node(ground: Ground) -> None:
    review = json.loads(ground.as_node("auth", "whoami", "-o", "json"))
    assert review["status"]["userInfo"]["username"] == f"system:node:{NODE.instance_id}"
    assert "system:nodes" in review["status"]["userInfo"]["groups"]


def test_a_token_for_another_cluster_is_refused(ground: Ground) -> None:
    with pytest.raises(ProcessError, match="You must be logged in to the server"):
        ground.as_node("get", "nodes", cluster="other")


def test_sts_refuses_tokens_for_a_while(ground: Ground) -> None:
    with (
        ground.sts.refusing("AccessDenied", "The role may not be used now.") as mood,
        pytest.raises(ProcessError, match="You must be logged in to the server"),
    ):
        ground.as_node("auth", "whoami")
    assert mood.refused > 0
    assert NODE.instance_id in ground.as_node("auth", "whoami")


def test_a_node_is_initialized_and_restricted_to_itself(ground: Ground) -> None:
    ground.as_node("create", "-f", "-", stdin=node_object(NODE))
    node = until(lambda: initialized(ground), 10, "the cloud controller lifts the taint")
    assert node["metadata"]["labels"]["topology.kubernetes.io/zone"] == ZONE
    assert {"type": "InternalIP", "address": "10.0.0.100"} in node["status"]["addresses"]
    ground.as_node("label", "node", NODE.instance_id, "test/own=yes")
    with pytest.raises(ProcessError, match="is not allowed to modify labels"):
        ground.as_node("label", "node", NODE.instance_id, "node-restriction.kubernetes.io/tenant=other")
    with pytest.raises(ProcessError, match="only its own Node object"):
        ground.as_node("get", "node", NODE.instance_id, instance_id="i-0fedcba9876543210")


def test_a_node_with_a_wrong_provider_id_stays_uninitialized(ground: Ground) -> None:
    real = replace(NODE, instance_id="i-0aaaaaaaaaaaaaaaa")
    ground.cluster.register(real)
    claimed = replace(real, zone="us-west-2b")
    ground.as_node("create", "-f", "-", stdin=node_object(claimed), instance_id=real.instance_id)
    log = ground.cluster.site.log("cloud-controller")
    until(lambda: log.exists() and "and EC2 says aws:///us-west-2a/" in log.read_text(), 10, "it is refused")
    taints = json.loads(ground.cluster.kubectl("get", "node", real.instance_id, "-o", "json"))["spec"]["taints"]
    assert UNINITIALIZED["key"] in {taint["key"] for taint in taints}


def test_the_node_of_a_terminated_instance_is_deleted(ground: Ground) -> None:
    gone = replace(NODE, instance_id="i-0bbbbbbbbbbbbbbbb")
    ground.cluster.register(gone)
    ground.as_node("create", "-f", "-", stdin=node_object(gone), instance_id=gone.instance_id)
    ground.cluster.forget(gone.instance_id)
    assert gone.instance_id not in ground.cluster.kubectl("get", "nodes", "--output=name")


def test_user_data_holds_the_endpoint_and_both_authorities(ground: Ground) -> None:
    settings = tomllib.loads(ground.cluster.user_data())["settings"]
    assert settings["kubernetes"]["api-server"] == ground.cluster.site.server
    for encoded in (settings["kubernetes"]["cluster-certificate"], settings["pki"]["world-s3"]["data"]):
        authority = x509.load_pem_x509_certificate(base64.b64decode(encoded))
        assert authority.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert "pki" not in tomllib.loads(ground.cluster.user_data(extra_pki=False))["settings"]


def test_a_serving_certificate_is_signed_for_the_nodes_own_names_only(ground: Ground) -> None:
    ground.as_node("create", "-f", "-", stdin=_serving_request("csr-own", NODE.private_dns_name))
    ground.as_node("create", "-f", "-", stdin=_serving_request("csr-foreign", "kubernetes.default"))
    status = until(lambda: _status(ground, "csr-own"), 15, "the certificate is signed")
    certificate = x509.load_pem_x509_certificate(base64.b64decode(status["certificate"]))
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [NODE.private_dns_name]
    log = ground.cluster.site.log("serving-approver")
    until(lambda: log.exists() and "csr-foreign" in log.read_text(), 10, "the other request is refused")
    assert _status(ground, "csr-foreign") is None


def test_the_audit_log_shows_who_is_impersonated(ground: Ground) -> None:
    ground.cluster.kubectl("apply", "-f", "-", stdin=IMPERSONATION)
    ground.as_node("auth", "whoami", "--as=eks-auto:test")
    event = next(event for event in ground.cluster.audit_events() if event.get("impersonatedUser"))
    assert event["user"]["username"] == f"system:node:{NODE.instance_id}"
    assert event["impersonatedUser"]["username"] == "eks-auto:test"
    assert event["impersonatedUser"]["groups"] == ["system:authenticated"]


def test_a_presigned_url_takes_one_object(ground: Ground) -> None:
    key = "bundles/node one.tar.gz"
    assert ground.cluster.s3.object(key) is None
    assert ground.put(ground.cluster.s3.presign_put(key), b"bundle")[0] == 200
    assert ground.cluster.s3.object(key) == b"bundle"
    assert ground.cluster.s3.size(key) == len(b"bundle")
    assert [request.status for request in ground.cluster.s3.requests() if request.key == key] == [200]


def test_an_expired_url_is_forbidden(ground: Ground) -> None:
    an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
    status, answer = ground.put(ground.cluster.s3.presign_put("late", expires=60, signed_at=an_hour_ago), b"")
    assert status == 403
    assert b"<Code>AccessDenied</Code><Message>Request has expired." in answer
    assert ("late", "AccessDenied") in {(each.key, each.error) for each in ground.cluster.s3.requests()}


def test_an_upload_without_a_length_is_refused(ground: Ground) -> None:
    status, answer = ground.put(ground.cluster.s3.presign_put("chunked"), iter([b"bundle"]))
    assert status == 411
    assert b"MissingContentLength" in answer


def test_s3_stops_and_comes_back_with_its_objects(ground: Ground) -> None:
    url = ground.cluster.s3.presign_put("twice")
    ground.cluster.s3.stop()
    with pytest.raises(ConnectionRefusedError):
        ground.put(url, b"first")
    ground.cluster.s3.start()
    assert ground.put(url, b"second")[0] == 200
    assert ground.cluster.s3.object("twice") == b"second"


def _serving_request(name: str, host: str) -> dict[str, Any]:
    subject = [(NameOID.ORGANIZATION_NAME, "system:nodes"), (NameOID.COMMON_NAME, f"system:node:{NODE.instance_id}")]
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(oid, text) for oid, text in subject]))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    )
    return {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": name},
        "spec": {
            "request": base64.b64encode(request.public_bytes(Encoding.PEM)).decode(),
            "signerName": "kubernetes.io/kubelet-serving",
            "usages": ["digital signature", "server auth"],
        },
    }


def _status(ground: Ground, name: str) -> dict[str, Any] | None:
    request = json.loads(ground.cluster.kubectl("get", "csr", name, "-o", "json"))
    status: dict[str, Any] = request.get("status", {})
    return status if status.get("certificate") else None
