"""Announcing at work: the condition by the kubelet's own identity, the Event by a component that it impersonates."""

from datetime import UTC, datetime
from pathlib import Path

from agent import log
from agent.announce import change
from agent.announce.change import Change
from agent.doctor.history import spoken
from agent.doctor.report import Report
from agent.errors import AgentError
from agent.host import eks, files, imds, kube
from agent.host.kube import STRATEGIC_MERGE_PATCH, ApiError, Cluster, Kube

USER = "eks-auto:node-doctor"
_KUBECONFIG = "/etc/kubernetes/kubelet/kubeconfig"
_EVENTS = "/api/v1/namespaces/default/events"
_METADATA_SECONDS = 2.0
_CONFLICT = 409


def announce(report: Report, *, root: Path = Path("/"), imds_url: str | None = None) -> None:
    """Have the cluster say what the report says, where it does not yet; what fails is tried again at the next look."""
    if report.announced is None:
        return
    try:
        cluster = kube.read_kubeconfig(files.below(root, _KUBECONFIG))
        wanted = change.wanted(report, cluster.node_name)
        if wanted is not None:
            _say(wanted, cluster, root, imds_url)
    except AgentError as error:
        log.get("console").warning("not announced", reason=str(error))


def _say(wanted: Change, cluster: Cluster, root: Path, imds_url: str | None) -> None:
    now = spoken(datetime.now(UTC))
    authorities = str(files.below(root, cluster.ca_file))
    with imds.connect(imds_url, deadline=_METADATA_SECONDS) as metadata:
        token = eks.token(metadata, cluster.name).value
    component = Kube(cluster.server, authorities, lambda: token, USER)
    # Before the condition: that says whether there is an Event of it.
    has_event = not wanted.is_news or _post(component, change.event(wanted, now))
    said = wanted if has_event else change.without_event(wanted)
    if said.is_said:
        return
    node = Kube(cluster.server, authorities, lambda: token)
    node.patch(f"/api/v1/nodes/{cluster.node_name}/status", change.patch(said, now), STRATEGIC_MERGE_PATCH)
    log.get("console").info("announced", condition=said.status, reason=said.reason)


def _post(component: Kube, event: kube.Object) -> bool:
    """Make an Event, and return whether it is there; what fails is tried again at the next look."""
    try:
        component.post(_EVENTS, event)
    except AgentError as error:
        if isinstance(error, ApiError) and error.status == _CONFLICT:
            return True  # by an earlier look, which could not patch the Node
        log.get("console").warning("no Event was made", reason=str(error))
        return False
    return True
