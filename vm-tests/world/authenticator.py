"""The real aws-iam-authenticator: turns an EKS token into a node's name, asking STS."""

from __future__ import annotations

import json
from pathlib import Path

import tools
from world import kubeconfig
from world.facts import ACCOUNT, CLUSTER_NAME, NODE_ROLE
from world.pki import Authority
from world.processes import Process, spawn
from world.site import Site, wait_listening

HOST = "127.0.0.1"
PORT = 21362
# What an EKS access entry of type EC2 does: a role's session name is the instance ID.
ROLE = {
    "roleARN": f"arn:aws:iam::{ACCOUNT}:role/{NODE_ROLE}",
    "username": "system:node:{{SessionName}}",
    "groups": ["system:nodes"],
}


def start(site: Site, authority: Authority, *, trusted: Path) -> Process:
    """Start it; `trusted` is the authority that signed STS's certificate."""
    state = site.path("authenticator/cert.pem").parent
    identity = authority.server("aws-iam-authenticator", names=[HOST])
    (state / "cert.pem").write_bytes(identity.certificate)
    (state / "key.pem").write_bytes(identity.key)
    settings = state / "settings.json"
    settings.write_text(json.dumps({"clusterID": CLUSTER_NAME, "server": {"mapRoles": [ROLE]}}))
    process = spawn(
        [
            tools.binary("aws-iam-authenticator"),
            "server",
            f"--config={settings}",
            f"--state-dir={state}",
            "--kubeconfig-pregenerated=true",
        ],
        log=site.log("aws-iam-authenticator"),
        netns=site.netns,
        # It would ask IMDS for its region, and the control plane is no instance.
        environment={"SSL_CERT_FILE": str(trusted), "AWS_EC2_METADATA_DISABLED": "true"},
    )
    wait_listening(process, site.netns, HOST, PORT)
    return process


def webhook(site: Site, authority: Authority) -> Path:
    """The kubeconfig by which the API server asks it."""
    return kubeconfig.write(
        site.path("token-webhook.kubeconfig"),
        server=f"https://{HOST}:{PORT}/authenticate",
        authority=authority.certificate,
    )
