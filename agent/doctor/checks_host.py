"""Verdicts on the host: kubelet and containerd, the data volume, failed units and our own daemons."""

from agent.doctor.checks_metadata import NOT_ASKED
from agent.doctor.evidence import Evidence, Trouble, Unit
from agent.doctor.report import Finding

# The units without which no node joins; another failed unit is worth a warning.
_NEEDED = ("node-agent-", "kubelet.", "containerd.", "systemd-networkd.", "systemd-resolved.")
# These have checks of their own.
_JUDGED = ("configure", "storage", "console")
# A unit that came back this often is in trouble, whatever its state at the moment.
_RESTARTS_SEEN = 3


def containerd(evidence: Evidence) -> Finding:
    return _unit(evidence.units.get("containerd.service"))


def kubelet(evidence: Evidence) -> Finding:
    return _unit(evidence.units.get("kubelet.service"))


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
    return Finding("fail", said + _words(unit), "", f"see the journal of {unit.name}")


def _running(unit: Unit) -> Finding:
    if _restarts(unit) >= _RESTARTS_SEEN:
        return Finding("warn", f"runs, after {unit.restarts} restarts", "", f"see the journal of {unit.name}")
    return Finding("ok", "runs")


def _restarts(unit: Unit) -> int:
    return int(unit.restarts) if unit.restarts.isdigit() else 0


def _words(unit: Unit) -> str:
    return f"; it last said: {unit.last_words}" if unit.last_words else ""


def storage(evidence: Evidence) -> Finding:
    seen = evidence.statuses.get("storage")
    if seen is None:
        return Finding("unknown", "storage has not reported", "", "see the journal of node-agent-storage")
    if seen.state == "ok":
        return Finding("ok", seen.message or "the data volume is mounted")
    if seen.state == "waiting":
        return Finding("unknown", seen.message, "the data volume is not there yet", "wait two minutes")
    status = "warn" if seen.state == "degraded" else "fail"
    return Finding(status, seen.message, "", seen.action or "attach an EBS volume for data, and launch a new node")


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
