"""What the component, and a node without it, may ask of a real API server: requests, not questions about them."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from agent.announce.daemon import USER as DOCTOR
from agent.diagnostics.serving import USER
from agent.host import eks, imds
from agent.host.kube import ApiError, Kube
from diagnostics_ground import API, NETNS, NODE, Ground
from world import namespaces
from world.facts import CLUSTER_NAME
from world.processes import ProcessError

pytestmark = pytest.mark.netns
OTHER = "i-0fedcba9876543210"
OBJECTS = "/apis/eks.amazonaws.com/v1alpha1/nodediagnostics"
EVENT = {
    "apiVersion": "v1",
    "kind": "Event",
    "metadata": {"generateName": "rights-"},
    "involvedObject": {"kind": "NodeDiagnostic", "name": NODE, "namespace": "default"},
    "reason": "Tested",
}
OBJECT = {
    "apiVersion": "eks.amazonaws.com/v1alpha1",
    "kind": "NodeDiagnostic",
    "metadata": {"name": "i-0aaaaaaaaaaaaaaaa"},
    "spec": {"logCapture": {"destination": "node"}},
}
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "rights"},
    "spec": {"containers": [{"name": "a", "image": "a"}]},
}

ALLOWED = [
    ["get", "--raw", f"{OBJECTS}/{NODE}"],
    ["get", "--raw", OBJECTS],
    ["get", "--raw", f"{OBJECTS}?watch=1&timeoutSeconds=1&fieldSelector=metadata.name%3D{NODE}"],
    # SECURITY.md says so: RBAC cannot tell one node's object from another's.
    ["get", "--raw", f"{OBJECTS}/{OTHER}"],
    ["create", "--raw", "/api/v1/namespaces/default/events"],
]
REFUSED = [
    ["patch", "nodediagnostic", NODE, "--type=merge", "-p", '{"spec": {"logCapture": null}}'],
    ["create", "--raw", OBJECTS],
    ["delete", "--raw", f"{OBJECTS}/{NODE}"],
    ["delete", "--raw", OBJECTS],
    ["replace", "--raw", f"{OBJECTS}/{NODE}/status"],
    ["get", "--raw", f"{OBJECTS}/{NODE}/status"],
    ["get", "--raw", "/api/v1/namespaces/default/events"],
    ["delete", "--raw", "/api/v1/namespaces/default/events"],
    ["get", "--raw", "/api/v1/nodes"],
    ["get", "--raw", f"/api/v1/nodes/{NODE}"],
    ["get", "--raw", f"/api/v1/nodes/{NODE}/proxy/logs/"],
    ["get", "--raw", "/api/v1/pods"],
    ["create", "--raw", "/api/v1/namespaces/default/pods"],
    ["get", "--raw", "/api/v1/secrets"],
    ["get", "--raw", "/api/v1/namespaces/kube-system/configmaps"],
    ["get", "--raw", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"],
    ["get", "--raw", "/apis/rbac.authorization.k8s.io/v1/clusterroles"],
]
BODIES = {
    "/api/v1/namespaces/default/events": EVENT,
    OBJECTS: OBJECT,
    f"{OBJECTS}/{NODE}/status": {**OBJECT, "metadata": {"name": NODE}},
    "/api/v1/namespaces/default/pods": POD,
}


@pytest.fixture(scope="module")
def token(ground: Ground) -> Iterator[str]:
    """The bearer token of the node, as its kubelet and its daemons make it."""
    for name in (NODE, OTHER):
        ground.ask("node", name=name)
    with namespaces.entered(NETNS), imds.connect(ground.metadata_url, deadline=10) as client:
        made = eks.token(client, CLUSTER_NAME).value
    yield made
    ground.kubectl("delete", "nodediagnostics", "--all")


def ask(ground: Ground, token: str, argv: list[str], user: str = "") -> str:
    """Make a request with the node's token, as a user where one is given; return what was refused, or nothing."""
    body = BODIES.get(argv[2]) if argv[0] in {"create", "replace"} else None
    words = [*argv, *(["-f", "-"] if body else []), *([f"--as={user}"] if user else []), f"--token={token}"]
    # The administrator's certificate would win over the token.
    words += ["--kubeconfig=/dev/null", f"--server={ground.cluster.site.server}"]
    words += [f"--certificate-authority={ground.cluster.site.path('pki/ca.crt')}"]
    try:
        ground.kubectl(*words, stdin=json.dumps(body) if body else None)
    except ProcessError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("argv", ALLOWED, ids=" ".join)
def test_the_component_may(ground: Ground, token: str, argv: list[str]) -> None:
    assert ask(ground, token, argv, USER) == ""


@pytest.mark.parametrize("argv", REFUSED, ids=" ".join)
def test_the_component_may_not(ground: Ground, token: str, argv: list[str]) -> None:
    assert f'User "{USER}" cannot' in ask(ground, token, argv, USER)


# Events are the doctor's too: of all else that a node may ask for under some name it gets nothing.
@pytest.mark.parametrize("argv", [*ALLOWED[:-1], *REFUSED], ids=" ".join)
def test_the_doctor_may_not(ground: Ground, token: str, argv: list[str]) -> None:
    assert f'User "{DOCTOR}" cannot' in ask(ground, token, argv, DOCTOR)


def test_the_component_alone_may_patch_a_status(ground: Ground, token: str) -> None:
    """By the agent's own client: kubectl reads the subresource first, which nobody may."""
    server, ca = f"https://{API}", str(ground.cluster.site.path("pki/ca.crt"))
    status = {"status": {"captureStatuses": []}}
    with namespaces.entered(NETNS):
        assert (
            Kube(server, ca, lambda: token, USER).patch(f"{OBJECTS}/{NODE}/status", status)["kind"] == "NodeDiagnostic"
        )
        with pytest.raises(ApiError, match=f'User "system:node:{NODE}" cannot patch'):
            Kube(server, ca, lambda: token).patch(f"{OBJECTS}/{NODE}/status", status)
        with pytest.raises(ApiError, match=f'User "{DOCTOR}" cannot patch'):
            Kube(server, ca, lambda: token, DOCTOR).patch(f"{OBJECTS}/{NODE}/status", status)
        with pytest.raises(ApiError, match=f'User "{USER}" cannot patch'):
            Kube(server, ca, lambda: token, USER).patch(f"/api/v1/nodes/{NODE}/status", {})


@pytest.mark.parametrize("argv", ALLOWED[:3], ids=" ".join)
def test_a_node_may_not_without_the_components_name(ground: Ground, token: str, argv: list[str]) -> None:
    assert f'User "system:node:{NODE}" cannot' in ask(ground, token, argv)


@pytest.mark.parametrize(
    "user",
    [
        "eks-auto:node-network",
        "eks-auto:",
        "kubernetes-admin",
        "system:kube-scheduler",
        f"system:node:{OTHER}",
        "system:admin",
    ],
)
def test_a_node_may_be_nobody_else(ground: Ground, token: str, user: str) -> None:
    said = ask(ground, token, ALLOWED[0], user)
    assert "cannot impersonate resource" in said


@pytest.mark.parametrize("group", ["system:masters", "system:nodes"])
def test_a_node_may_put_the_component_into_no_group(ground: Ground, token: str, group: str) -> None:
    said = ask(ground, token, [*ALLOWED[0], f"--as-group={group}"], USER)
    assert "cannot impersonate resource" in said
