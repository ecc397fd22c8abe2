"""The real API server: EKS's authentication, authorization and audit, on the cluster's endpoint name."""

from __future__ import annotations

from pathlib import Path

import tools
from world import etcd, pki
from world.processes import Process, spawn
from world.site import Site, wait_listening

PORT = 443
AUDIT_POLICY = Path(__file__).with_name("audit-policy.yaml")
SERVICE_NAMES = (
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)
SERVICE_ACCOUNT_KEY = "pki/service-account.key"


def start(site: Site, authority: pki.Authority, *, token_webhook: Path) -> Process:
    """Start it and wait for its listener; it becomes ready some seconds later."""
    process = spawn(
        [
            tools.binary("kube-apiserver"),
            *_serving(site, authority),
            *_identities(site, token_webhook),
            *_kubelets(site, authority),
            f"--etcd-servers={etcd.CLIENT_URL}",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged=true",
            f"--audit-policy-file={AUDIT_POLICY}",
            f"--audit-log-path={audit_log(site)}",
            "--audit-log-mode=blocking",  # an answered request is in the log
        ],
        log=site.log("kube-apiserver"),
        netns=site.netns,
    )
    wait_listening(process, site.netns, site.address, PORT)
    return process


def audit_log(site: Site) -> Path:
    return site.path("audit.log")


def _serving(site: Site, authority: pki.Authority) -> list[str]:
    names = [site.endpoint, site.address, site.services.kubernetes, *SERVICE_NAMES]
    certificate, key = site.keep("kube-apiserver", authority.server("kube-apiserver", names=names))
    return [
        f"--bind-address={site.address}",
        f"--advertise-address={site.address}",
        f"--secure-port={PORT}",
        f"--tls-cert-file={certificate}",
        f"--tls-private-key-file={key}",
        f"--service-cluster-ip-range={site.services.network}",
    ]


def _identities(site: Site, token_webhook: Path) -> list[str]:
    private, public = pki.signing_key()
    private_path, public_path = site.path(SERVICE_ACCOUNT_KEY), site.path("pki/service-account.pub")
    private_path.touch(mode=0o600)
    private_path.write_bytes(private)
    public_path.write_bytes(public)
    return [
        f"--client-ca-file={site.path('pki/ca.crt')}",
        f"--authentication-token-webhook-config-file={token_webhook}",
        f"--service-account-issuer={site.server}",
        f"--service-account-key-file={public_path}",
        f"--service-account-signing-key-file={private_path}",
    ]


def _kubelets(site: Site, authority: pki.Authority) -> list[str]:
    """How it reaches kubelets for `kubectl logs`: by address, with its certificate, checking theirs."""
    client = authority.client("kube-apiserver-kubelet-client", organizations=["system:masters"])
    certificate, key = site.keep("kubelet-client", client)
    return [
        f"--kubelet-client-certificate={certificate}",
        f"--kubelet-client-key={key}",
        f"--kubelet-certificate-authority={site.path('pki/ca.crt')}",
        "--kubelet-preferred-address-types=InternalIP",
    ]
