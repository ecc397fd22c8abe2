"""Verdicts on what runs on the host: containerd, kubelet and its certificate, units and our own daemons."""

import re
from dataclasses import replace

from agent.doctor.checks_metadata import NOT_ASKED
from agent.doctor.evidence import Evidence, Trouble, Unit
from agent.doctor.report import Finding
from agent.doctor.words import shortened

# The units without which no node joins; another failed unit, a capture's too, is worth a warning.
_NEEDED = frozenset(
    f"{name}.service"
    for name in (
        *("node-agent-configure", "node-agent-network", "node-agent-storage"),
        *("kubelet", "containerd", "systemd-networkd", "systemd-resolved"),
    )
)
# These have checks of their own.
_JUDGED = ("configure", "storage", "console")
_SEE = "see the journal of {}"
_SAID = 240
# kubelet's own words for a file or flag that it cannot use.
_REJECTED = re.compile(
    r"load [Kk]ubelet config|parse kubelet flag|validate kubelet (flags|config)|unknown flag|invalid config"
)
# kubelet exits where a program that its provider configuration names is not there.
_NO_PROVIDER = re.compile(r"register CRI auth plugins")
# What kubelet says of a containerd that runs without its CRI plugin.
_NO_CRI = re.compile(r"validate CRI v1|unknown service runtime\.v1\.")
# containerd's own words for a file that it cannot use.
_UNREADABLE = re.compile(r"failed to load TOML|toml: ")
_CORRECT_CONTAINERD = "correct settings.containerd.config in the user data, and launch a new node"
_CORRECT_KUBELET = "correct settings.kubernetes and kubelet.config in the user data, and launch a new node"
_CORRECT_PROVIDERS = "correct settings.kubernetes.credential-providers in the user data, or add it to the image"
# EKS approves within seconds; kubelet asks again after a refusal.
_APPROVED_WITHIN = 180.0
# A unit that came back this often is in trouble, whatever its state at the moment.
_RESTARTS_SEEN = 3


def containerd(evidence: Evidence) -> Finding:
    seen = evidence.units.get("containerd.service")
    found = _unit(seen)
    if not found.good and seen and _UNREADABLE.search(seen.last_words):
        return replace(
            found, status="fail", cause="containerd cannot read its configuration", action=_CORRECT_CONTAINERD
        )
    if found.good and evidence.containerd_socket is False:
        said = "containerd.service runs, but nothing answers at its socket"
        return Finding("fail", said, "it hangs, or its configuration names another socket", _SEE.format("containerd"))
    user = evidence.units.get("kubelet.service")
    if found.good and user and user.active != "active" and _NO_CRI.search(user.last_words):
        said = f"containerd.service runs, but kubelet gets no CRI of it{words(user, 'kubelet')}"
        return Finding("fail", said, "its CRI plugin is disabled, or did not start", _CORRECT_CONTAINERD)
    return found


def kubelet(evidence: Evidence) -> Finding:
    seen = evidence.units.get("kubelet.service")
    found = _unit(seen)
    if found.good or not seen:
        return found
    if _REJECTED.search(seen.last_words):
        return replace(found, status="fail", cause="kubelet refuses its configuration", action=_CORRECT_KUBELET)
    if _NO_PROVIDER.search(seen.last_words):
        cause, action = "the program of an image credential provider is missing", _CORRECT_PROVIDERS
        return replace(found, status="fail", cause=cause, action=action)
    return found


def serving(evidence: Evidence) -> Finding:
    """Judge kubelet's serving certificate, without which logs, exec and metrics of this node fail."""
    seen = evidence.serving
    if seen is None:
        return NOT_ASKED
    if not seen.asked:
        return Finding("ok", "kubelet signs its own certificate: settings.kubernetes.server-tls-bootstrap is false")
    if seen.present:
        return Finding("ok", "kubelet has its serving certificate")
    if seen.waited < _APPROVED_WITHIN:
        return Finding("warn", "kubelet waits for its serving certificate", "it is not approved yet", "wait a minute")
    return Finding(
        "fail",
        "kubelet has had no serving certificate since it started; logs, exec and metrics of its pods fail",
        "EKS does not approve the request: the node's name or addresses are not those of this instance",
        "see kubectl get csr; check settings.kubernetes.hostname-override and node-ip",
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
    if unit.active in {"activating", "reloading"} and not keeps_restarting(unit):
        return Finding("unknown", f"{unit.name} is starting{words(unit)}", "", "wait a minute")
    if unit.active == "inactive" and unit.job not in {"", "0"}:
        return Finding("unknown", f"{unit.name} waits to be started", "the boot is not there yet", "wait a minute")
    if unit.active == "inactive" and unit.result in {"", "success"}:
        return Finding(
            "fail",
            f"{unit.name} was not started",
            "a unit that it needs has failed",
            "see the failed units and the statuses of the daemons: `units` and `daemons` below",
        )
    said = f"{unit.name} is {unit.active} ({unit.result}, exit status {unit.exit_status}, {unit.restarts} restarts)"
    return Finding("fail", said + words(unit), "", _SEE.format(unit.name))


def _running(unit: Unit) -> Finding:
    if keeps_restarting(unit):
        return Finding("warn", f"runs, after {unit.restarts} restarts{words(unit)}", "", _SEE.format(unit.name))
    return Finding("ok", "runs")


def keeps_restarting(unit: Unit) -> bool:
    return unit.restarts.isdigit() and int(unit.restarts) >= _RESTARTS_SEEN


def words(unit: Unit, who: str = "it") -> str:
    """Return what a unit complained of last, as an addition to what is said of it."""
    return f"; {who} last said: {shortened(unit.last_words, _SAID)}" if unit.last_words else ""


def units(evidence: Evidence) -> Finding:
    seen = evidence.failed_units
    if seen is None:
        return NOT_ASKED
    if isinstance(seen, Trouble):
        return Finding("unknown", seen.message, "", "see system/services.txt in the bundle of a NodeDiagnostic")
    if not seen:
        return Finding("ok", "none has failed")
    status = "fail" if _NEEDED.intersection(seen) else "warn"
    return Finding(status, f"failed: {', '.join(seen)}", "", "see the journals of these units")


def daemons(evidence: Evidence) -> Finding:
    """Judge the daemons that have no check of their own by the status that they published."""
    others = {name: status for name, status in evidence.statuses.items() if name not in _JUDGED}
    said = [f"{name} {status.state}: {status.message}" for name, status in others.items() if status.state != "ok"]
    if said:
        return Finding("warn", "; ".join(said), "", "see the console's section statuses")
    if not others:
        return Finding("warn", "none has reported", "", "see the console's section node-agent")
    return Finding("ok", f"{', '.join(others)} report no trouble")
