"""Verdicts on the host's resources: data volume, disk space, memory, process IDs, and the kernel's bad news."""

from agent.doctor.checks_metadata import NOT_ASKED
from agent.doctor.evidence import Evidence, Filesystem, Machine
from agent.doctor.report import Finding

# Below a tenth kubelet evicts pods (its default nodefs.available and nodefs.inodesFree); below a hundredth programs
# that write begin to fail.
_SHORT = 0.10
_FULL = 0.01
_SHORT_MEMORY = 100 << 20  # kubelet's default memory.available
_SHORT_PIDS = 0.10
_LARGER_VOLUME = "give the node a larger data volume, or find what fills it: a NodeDiagnostic of category System"
_SHOWN = 3


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


def disk(evidence: Evidence) -> Finding:
    if not evidence.filesystems:
        return NOT_ASKED
    found = [said for filesystem in evidence.filesystems if (said := _shortage(filesystem, _FULL))]
    if found:
        return Finding("fail", "; ".join(found), "programs that write to it fail", _LARGER_VOLUME)
    found = [said for filesystem in evidence.filesystems if (said := _shortage(filesystem, _SHORT))]
    if found:
        return Finding("warn", "; ".join(found), "kubelet evicts pods to free it", _LARGER_VOLUME)
    roomy = (f"{each.path} has {each.free >> 20} MiB free" for each in evidence.filesystems)
    return Finding("ok", ", ".join(roomy))


def _shortage(filesystem: Filesystem, share: float) -> str:
    """Say what a file system has less of than that share of its whole; nothing where it has enough."""
    path, short = filesystem.path, []
    if filesystem.free < filesystem.size * share:
        short.append(f"{path} has {filesystem.free >> 20} of {filesystem.size >> 20} MiB free")
    if filesystem.free_inodes < filesystem.inodes * share:
        short.append(f"{path} has {filesystem.free_inodes} of {filesystem.inodes} inodes free")
    return ", ".join(short)


def pressure(evidence: Evidence) -> Finding:
    seen = evidence.machine
    if seen is None:
        return NOT_ASKED
    short = _scarce(seen)
    if short:
        return Finding(
            "warn", "; ".join(short), "the pods use more than the instance has", "use a larger instance type"
        )
    return Finding("ok", f"{seen.available_memory >> 20} MiB of memory and {seen.pids - seen.used_pids} PIDs are free")


def _scarce(seen: Machine) -> list[str]:
    said = []
    if seen.available_memory < _SHORT_MEMORY:
        said.append(f"{seen.available_memory >> 20} of {seen.memory >> 20} MiB of memory are available")
    if seen.pids - seen.used_pids < seen.pids * _SHORT_PIDS:
        said.append(f"{seen.used_pids} of {seen.pids} process IDs are used")
    return said


def kernel(evidence: Evidence) -> Finding:
    seen = evidence.kernel
    if seen is None:
        return NOT_ASKED
    if seen.panic:
        return Finding(
            "warn", f"the last boot ended in {seen.panic}", "", "see pstore in the bundle of a NodeDiagnostic"
        )
    if seen.killed:
        names = ", ".join(dict.fromkeys(seen.killed[-_SHOWN:]))
        said = f"killed {len(seen.killed)} processes for want of memory, last {names}"
        return Finding(
            "warn", said, "pods have no memory limit, or too high ones", "set limits, or use a larger instance"
        )
    return Finding("ok", "no process was killed for want of memory, and the last boot ended in order")
