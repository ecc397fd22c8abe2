"""Approves a node's own request for its kubelet's serving certificate, as EKS does."""

from __future__ import annotations

import base64
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID

from world.inventory import Instance, Inventory
from world.kubeapi import Api, Object
from world.reconciler import RefusalError

REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
SIGNER = "kubernetes.io/kubelet-serving"
NODE_PREFIX = "system:node:"
NODE_GROUP = "system:nodes"
USAGES = {"digital signature", "key encipherment", "server auth"}


class ServingApprover:
    """Approves what a node may ask for; leaves the rest pending and says why."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory

    def reconcile(self, api: Api, request: Object) -> None:
        if request["spec"]["signerName"] != SIGNER or request.get("status", {}).get("conditions"):
            return
        self._check(request["spec"])
        approval = {
            "type": "Approved",
            "status": "True",
            "reason": "NodeServingCertificate",
            "message": "The node asks for its own serving certificate.",
        }
        path = f"{REQUESTS}/{request['metadata']['name']}/approval"
        api.replace(path, {**request, "status": {"conditions": [approval]}})

    def _check(self, spec: dict[str, Any]) -> None:
        requestor = str(spec["username"])
        instance = self._inventory.find(requestor.removeprefix(NODE_PREFIX))
        if not requestor.startswith(NODE_PREFIX) or NODE_GROUP not in spec.get("groups", []):
            raise RefusalError(f"the requestor {requestor} is no node")
        if instance is None:
            raise RefusalError(f"no instance runs here for {requestor}")
        if not set(spec["usages"]) <= USAGES:
            raise RefusalError(f"it asks for the usages {spec['usages']}")
        certificate = x509.load_pem_x509_csr(base64.b64decode(spec["request"]))
        _check_subject(certificate, requestor)
        _check_names(certificate, instance)


def _check_subject(request: x509.CertificateSigningRequest, requestor: str) -> None:
    wanted = {(NameOID.COMMON_NAME, requestor), (NameOID.ORGANIZATION_NAME, NODE_GROUP)}
    subject = {(attribute.oid, attribute.value) for attribute in request.subject}
    if subject != wanted:
        raise RefusalError(f"its subject is {request.subject.rfc4514_string()}")


def _check_names(request: x509.CertificateSigningRequest, instance: Instance) -> None:
    names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    asked = {str(name.value) for name in names}
    known = {instance.private_dns_name, instance.instance_id, *instance.addresses}
    if not asked or not asked <= known:
        raise RefusalError(f"it asks for the names {sorted(asked)}, and EC2 knows {sorted(known)}")
