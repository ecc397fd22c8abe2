"""The chain of checks: their order, what each needs, and the run that turns evidence into a report."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

from agent.doctor import checks_api, checks_host, checks_images, checks_metadata, checks_network, checks_resources
from agent.doctor.evidence import Evidence
from agent.doctor.report import Check, Finding, Report


@dataclass(frozen=True, slots=True)
class Link:
    """One check: its id, the checks without which it says nothing, and its verdict."""

    id: str
    judge: Callable[[Evidence], Finding]
    needs: tuple[str, ...] = ()


# Causes stand before their effects: the first failure is the headline.
CHAIN: tuple[Link, ...] = (
    Link("primary", checks_network.primary),
    Link("imds", checks_metadata.imds),
    Link("clock", checks_metadata.time),
    Link("disk", checks_resources.disk),
    Link("user-data", checks_metadata.user_data),
    Link("role", checks_metadata.role, ("imds", "clock")),
    Link("dns", checks_network.dns, ("user-data",)),
    Link("tcp", checks_network.tcp, ("dns",)),
    Link("tls", checks_api.tls, ("tcp",)),
    Link("authentication", checks_api.authentication, ("role", "tls")),
    Link("containerd", checks_host.containerd),
    Link("kubelet", checks_host.kubelet, ("user-data", "containerd")),
    Link("node", checks_api.node, ("authentication", "kubelet")),
    Link("serving", checks_host.serving, ("node",)),
    Link("proxy", checks_network.proxy),
    Link("images", checks_images.images, ("proxy",)),
    Link("enis", checks_network.enis),
    Link("storage", checks_resources.storage),
    Link("pressure", checks_resources.pressure),
    Link("units", checks_host.units),
    Link("daemons", checks_host.daemons),
    Link("kernel", checks_resources.kernel),
)


def examine(evidence: Evidence) -> Report:
    """Judge every link of the chain; what needs a check that is not good is skipped because of it."""
    checks: dict[str, Check] = {}
    causes: dict[str, str] = {}
    for link in CHAIN:
        broken = next((need for need in link.needs if not checks[need].good), None)
        if broken is None:
            finding = _in_lines(link.judge(evidence))
        else:
            causes[link.id] = causes.get(broken, broken)
            finding = _skipped(causes[link.id], checks)
        checks[link.id] = Check(id=link.id, **asdict(finding))
    return Report(tuple(checks.values()))


def _in_lines(finding: Finding) -> Finding:
    # A headline is one line, and a second one to the service manager would be another assignment.
    said = (" ".join(text.split()) for text in (finding.evidence, finding.cause, finding.action))
    return Finding(finding.status, *said)


def _skipped(cause: str, checks: Mapping[str, Check]) -> Finding:
    reasons = {"fail": "failed", "unknown": "is not known yet"}
    return Finding("skipped", "", cause=f"because {cause} {reasons.get(checks[cause].status, 'was not asked')}")
