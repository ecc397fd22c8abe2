"""Verdicts on what runs on the host: containerd, kubelet and its certificate, images, units and our own daemons."""

import re
from dataclasses import replace

from agent.doctor.checks_metadata import NOT_ASKED
from agent.doctor.evidence import Evidence, Trouble, Unit
from agent.doctor.remedy import Remedy
from agent.doctor.report import Finding

# The units without which no node joins; another failed unit is worth a warning.
_NEEDED = ("node-agent-", "kubelet.", "containerd.", "systemd-networkd.", "systemd-resolved.")
# These have checks of their own.
_JUDGED = ("configure", "storage", "console")
_SEE = "see the journal of {}"
# kubelet's own words for a file or flag that it cannot use.
_REJECTED = re.compile(
    r"load [Kk]ubelet config|parse kubelet flag|validate kubelet (flags|config)|unknown flag|invalid config"
)
# containerd's own words for a file that it cannot use.
_UNREADABLE = re.compile(r"failed to load TOML|toml: ")
_CORRECT_CONTAINERD = "correct settings.containerd.config in the user data, and launch a new node"
_CORRECT_KUBELET = "correct settings.kubernetes and kubelet.config in the user data, and launch a new node"
# EKS approves within seconds; kubelet asks again after a refusal.
_APPROVED_WITHIN = 180.0
_PULLS = (
    (
        re.compile(r"x509|certificate"),
        Remedy("the registry's CA is not trusted, or a proxy intercepts TLS", "add its CA by settings.pki"),
    ),
    (
        re.compile(r"proxyconnect|407"),
        Remedy("the proxy refuses", "check settings.network.https-proxy and its credentials"),
    ),
    (
        re.compile(r"401|403|[Uu]nauthorized|[Ff]orbidden|denied|no basic auth"),
        Remedy(
            "the node role may not pull it, or the registry's credentials are missing",
            "give the role AmazonEC2ContainerRegistryPullOnly, or set settings.container-registry.credentials",
        ),
    ),
    (
        re.compile(r"not found"),
        Remedy("the registry has no such image", "check the pod's image, its tag and its architecture"),
    ),
    (
        re.compile(r"no such host|server misbehaving|i/o timeout|deadline exceeded|refused|unreachable|Client.Timeout"),
        Remedy(
            "the node has no way to the registry",
            "give the subnet a NAT gateway or VPC endpoints (ecr.api, ecr.dkr, s3), or set network.https-proxy",
        ),
    ),
)
# A unit that came back this often is in trouble, whatever its state at the moment.
_RESTARTS_SEEN = 3


def containerd(evidence: Evidence) -> Finding:
    found = _unit(evidence.units.get("containerd.service"))
    if not found.good and _UNREADABLE.search(found.evidence):
        return replace(
            found, status="fail", cause="containerd cannot read its configuration", action=_CORRECT_CONTAINERD
        )
    if found.good and evidence.containerd_socket is False:
        said = "containerd.service runs, but nothing answers at its socket"
        return Finding("fail", said, "it hangs, or its configuration names another socket", _SEE.format("containerd"))
    return found


def kubelet(evidence: Evidence) -> Finding:
    found = _unit(evidence.units.get("kubelet.service"))
    if not found.good and _REJECTED.search(found.evidence):
        return replace(found, status="fail", cause="kubelet refuses its configuration", action=_CORRECT_KUBELET)
    return found


def serving(evidence: Evidence) -> Finding:
    """Judge kubelet's serving certificate, without which logs, exec and metrics of this node fail."""
    seen = evidence.serving
    if seen is None:
        return NOT_ASKED
    if seen.present:
        return Finding("ok", "kubelet has its serving certificate")
    if seen.waited < _APPROVED_WITHIN:
        return Finding("warn", "kubelet waits for its serving certificate", "it is not approved yet", "wait a minute")
    return Finding(
        "fail",
        f"kubelet has had no serving certificate for {seen.waited:.0f} s; logs, exec and metrics of its pods fail",
        "EKS does not approve the request: the node's name or addresses are not those of this instance",
        "see kubectl get csr; check settings.kubernetes.hostname-override and node-ip",
    )


def images(evidence: Evidence) -> Finding:
    if evidence.pull_failures is None:
        return NOT_ASKED
    if not evidence.pull_failures:
        return Finding("ok", "no pull of an image has failed lately")
    seen = evidence.pull_failures[-1]
    said = f"pulling {seen.image} failed: {seen.reason}"
    return next(
        (Finding("fail", said, *remedy) for words, remedy in _PULLS if words.search(seen.reason)),
        Finding("fail", said, "", _SEE.format("containerd")),
    )


def _unit(unit: Unit | None) -> Finding:
    if unit is None:
        return NOT_ASKED
    if not unit.load:
        return Finding("unknown", f"systemd does not answer about {unit.name}", "", "try again")
    if unit.load != "loaded":
        return Finding("fail", f"{unit.name} is {unit.load}", "the image lacks it", "rebuild the image")
    return _running(unit) if unit.active == "active" else _not_running(unit)


def _not_running(unit: Unit) -> Finding:
    if unit.active in {"activating", "reloading"} and _restarts(unit) < _RESTARTS_SEEN:
        return Finding("unknown", f"{unit.name} is starting{_words(unit)}", "", "wait a minute")
    if unit.active == "inactive" and unit.job not in {"", "0"}:
        return Finding("unknown", f"{unit.name} waits to be started", "the boot is not there yet", "wait a minute")
    if unit.active == "inactive" and unit.result in {"", "success"}:
        return Finding(
            "fail",
            f"{unit.name} was not started",
            "a unit that it needs has failed",
            f"see systemctl status {unit.name}",
        )
    said = f"{unit.name} is {unit.active} ({unit.result}, exit status {unit.exit_status}, {unit.restarts} restarts)"
    return Finding("fail", said + _words(unit), "", _SEE.format(unit.name))


def _running(unit: Unit) -> Finding:
    if _restarts(unit) >= _RESTARTS_SEEN:
        return Finding("warn", f"runs, after {unit.restarts} restarts", "", _SEE.format(unit.name))
    return Finding("ok", "runs")


def _restarts(unit: Unit) -> int:
    return int(unit.restarts) if unit.restarts.isdigit() else 0


def _words(unit: Unit) -> str:
    return f"; it last said: {unit.last_words}" if unit.last_words else ""


def units(evidence: Evidence) -> Finding:
    seen = evidence.failed_units
    if seen is None:
        return NOT_ASKED
    if isinstance(seen, Trouble):
        return Finding("unknown", seen.message, "", "see systemctl list-units --failed")
    if not seen:
        return Finding("ok", "none has failed")
    status = "fail" if any(unit.startswith(_NEEDED) for unit in seen) else "warn"
    return Finding(status, f"failed: {', '.join(seen)}", "", "see the journals of these units")


def daemons(evidence: Evidence) -> Finding:
    """Judge the daemons that have no check of their own by the status that they published."""
    others = {name: status for name, status in evidence.statuses.items() if name not in _JUDGED}
    said = [f"{name} {status.state}: {status.message}" for name, status in others.items() if status.state != "ok"]
    if said:
        return Finding("warn", "; ".join(said), "", "see node-agent status")
    if not others:
        return Finding("warn", "none has reported", "", "see systemctl list-units 'node-agent-*'")
    return Finding("ok", f"{', '.join(others)} report no trouble")
