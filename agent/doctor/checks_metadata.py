"""Verdicts on what the node learns from EC2: instance metadata, user data and the instance role."""

from datetime import timedelta

from agent import clock
from agent.doctor.evidence import Configured, Evidence, Metadata, Trouble
from agent.doctor.report import Finding
from agent.model import Verdict

NOT_ASKED = Finding("skipped", "", cause="not asked in this look")

# The node's token lasts 15 minutes; EC2 renews role credentials well before their last 5.
_EXPIRES_SOON = timedelta(minutes=5)
# The Date of an answer has whole seconds, and may be late.
_NOTICED_BEYOND = timedelta(seconds=5)
_TIME = "allow UDP port 123 to 169.254.169.123, or set settings.ntp.time-servers"
_LOGS = "see the journal of node-agent-configure"
_NEW_NODE = "correct the user data of the launch template or NodeClass, and launch a new node"


def imds(evidence: Evidence) -> Finding:
    seen = evidence.metadata
    if seen is None:
        return NOT_ASKED
    if isinstance(seen, Trouble):
        action = seen.hint or "see that the primary interface is up, and the instance's metadata options"
        return Finding("fail", seen.message, "", action)
    return Finding("ok", f"answers: instance {seen.instance_id} in {seen.availability_zone}")


def time(evidence: Evidence) -> Finding:
    """Judge the clock by what servers told of theirs."""
    off = evidence.clock_ahead
    if off is None:
        told = isinstance(evidence.metadata, Metadata)
        return Finding("ok", "no server has told its time") if told else NOT_ASKED
    said = f"the node's clock is {clock.spoken(off)}"
    if clock.is_wrong(off):
        return Finding("fail", said, "time is not synchronised, and AWS refuses the node's tokens until it is", _TIME)
    if abs(off) > _NOTICED_BEYOND:
        return Finding("warn", said, "time is not synchronised", _TIME)
    return Finding("ok", f"right to {round(abs(off).total_seconds()) + 1} s")


def user_data(evidence: Evidence) -> Finding:
    seen = evidence.configured
    if seen is None:
        return Finding("unknown", "configure has not reported", "it has not run yet in this boot", _LOGS)
    errors = [verdict for verdict in seen.verdicts if verdict.level == "error"]
    if errors:
        return Finding("fail", _listed(errors), "kubelet cannot start with this user data", _NEW_NODE)
    if seen.state not in {"ok", "degraded"}:
        return _unfinished(seen)
    warnings = [verdict for verdict in seen.verdicts if verdict.level == "warning"]
    if warnings:
        return Finding("warn", _listed(warnings), "", _NEW_NODE)
    return Finding("ok", "decoded and valid")


def _unfinished(seen: Configured) -> Finding:
    if seen.state == "waiting":
        return Finding("unknown", f"configure waits: {seen.message}", "", "wait, or remove the cause it names")
    return Finding("fail", f"configure {seen.state}: {seen.message}", "", _LOGS)


def _listed(verdicts: list[Verdict]) -> str:
    first = f"{verdicts[0].path}: {verdicts[0].message}" if verdicts[0].path else verdicts[0].message
    return first if len(verdicts) == 1 else f"{first} (and {len(verdicts) - 1} more)"


def role(evidence: Evidence) -> Finding:
    seen = evidence.role
    if seen is None:
        return NOT_ASKED
    if isinstance(seen, Trouble):
        action = seen.hint or "attach an instance profile with the node role, and see that the role exists"
        return Finding("fail", seen.message, "the node has no credentials for its token", action)
    left = seen.expires - evidence.now
    when = f"{seen.expires:%Y-%m-%dT%H:%M:%SZ}"
    if left <= timedelta(0):
        return Finding(
            "fail",
            f"credentials expired at {when}, and it is {evidence.now:%Y-%m-%dT%H:%M:%SZ} here",
            "the node's clock is ahead, or EC2 no longer renews the role",
            "see that the role still exists and trusts EC2, and that time is synchronised",
        )
    if left < _EXPIRES_SOON:
        return Finding("warn", f"credentials expire at {when}", "EC2 is late to renew them", "check the instance role")
    return Finding("ok", f"credentials are valid until {when}")
