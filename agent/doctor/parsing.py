"""What files, commands and servers say, made into evidence; whatever they say, never an exception."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from agent.doctor.evidence import (
    Configured,
    Evidence,
    Identity,
    KernelNews,
    Node,
    PullFailure,
    Secondary,
    Status,
    Taint,
    Trouble,
    Unit,
    Uplink,
)
from agent.doctor.report import CONDITION, Announced
from agent.model import Verdict

_PRESSURES = ("MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable")
# A neighbour that the kernel has asked in vain; every other state says that it answers, or was not asked lately.
_SILENT = {"FAILED", "INCOMPLETE"}
# kubelet's klog: severity, month and day, time, thread, file; then what it says.
_KLOG = re.compile(r"\b[EF]\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ \S+\] (.*)")
_COMPLAINT = re.compile(r"\berr(or)?=|\blevel=(error|fatal)\b|\b[Ff]ailed\b|\b[Ee]rror:|\bfatal\b|\bpanic\b")
# What containerd and kubelet say of a pull: that it failed, or (containerd alone) that it is done. That it begins says
# containerd too, in the same words but for their end.
_PULL = re.compile(
    r'PullImage \\?"(?P<image>[^"\\]+)\\?" (?:failed(?P<rest>.*)|(?P<done>returns image reference))'
    r'|[Ff]ailed to pull image \\?"(?P<named>[^"\\]+)\\?"(?P<reason>.*)'
)
_CANCELED = re.compile(r"context canceled")
_PULL_ERROR = re.compile(r'(?:error=|err=|failed: )"?(?P<reason>.*)')
# Whoever asked by gRPC puts it before the words, and not every time.
_ENVELOPE = re.compile(r"^[: ]*(?:rpc error: code = \w+ desc = )?")
_KILLED = re.compile(
    r"Out of memory: Killed process \d+ \(([^)]*)\)|Memory cgroup out of memory: Killed process \d+ \("
)
_PANIC = re.compile(r"Kernel panic - not syncing: .*")
# The header of a dump (fs/pstore/platform.c): the record with the words themselves may be lost.
_DUMP_OF_PANIC = re.compile(r"^Panic#\d+ Part", re.MULTILINE)
_STARTING = {"start-pre", "start", "start-post"}
_OF_SYSTEMD = re.compile(r"^\S+ \S+ systemd\[1\]: ")
_JOURNAL_PREFIX = re.compile(r"^\S+ \S+ \S+\[\d+\]: ")


def published(files: Mapping[str, Mapping[str, Any]], now: datetime) -> Evidence:
    """Return the evidence that the daemons' status files are, by daemon."""
    return Evidence(now, statuses=statuses(files), configured=configured(files.get("configure")))


def statuses(files: Mapping[str, Mapping[str, Any]]) -> dict[str, Status]:
    """Read the status files of every daemon, by name."""
    fields = ("state", "message", "action")
    return {name: Status(*(str(body.get(key, "")) for key in fields)) for name, body in files.items()}


def configured(status: Mapping[str, Any] | None) -> Configured | None:
    """Read the status file of configure; what does not look like a verdict is left out."""
    if status is None:
        return None
    return Configured(
        state=str(status.get("state", "")),
        message=str(status.get("message", "")),
        verdicts=tuple(_verdict(item) for item in _mappings(status.get("verdicts"))),
    )


def _verdict(item: Mapping[str, Any]) -> Verdict:
    return Verdict(*(str(item.get(name, "")) for name in ("path", "level", "message", "source")))


def identity(review: Mapping[str, Any]) -> Identity:
    """Read a SelfSubjectReview."""
    user = _mapping(_mapping(review, "status"), "userInfo")
    groups = user.get("groups")
    return Identity(str(user.get("username", "")), tuple(map(str, groups)) if isinstance(groups, list) else ())


def node(body: Mapping[str, Any]) -> Node:
    """Read a Node object."""
    conditions = {str(each.get("type")): each for each in _mappings(_mapping(body, "status").get("conditions"))}
    ready = conditions.get("Ready", {})
    return Node(
        ready=str(ready.get("status", "Unknown")),
        reason=str(ready.get("reason", "")),
        message=str(ready.get("message", "")),
        taints=tuple(map(_taint, _mappings(_mapping(body, "spec").get("taints")))),
        pressures=tuple(name for name in _PRESSURES if conditions.get(name, {}).get("status") == "True"),
        created=_time(_mapping(body, "metadata").get("creationTimestamp")),
        announced=_announced(_mapping(body, "metadata"), conditions.get(CONDITION, {})),
    )


def _taint(body: Mapping[str, Any]) -> Taint:
    return Taint(*(str(body.get(key) or "") for key in ("key", "effect", "value")))


def _time(value: object) -> datetime | None:
    try:
        time = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return time if time.tzinfo else None


def _announced(metadata: Mapping[str, Any], condition: Mapping[str, Any]) -> Announced:
    fields = ("status", "reason", "message", "lastTransitionTime", "lastHeartbeatTime")
    return Announced(str(metadata.get("uid", "")), *(str(condition.get(key, "")) for key in fields))


def unit(name: str, properties: Mapping[str, str], last_words: str = "", uptime: float = 0.0) -> Unit:
    """Read the properties that systemd gives of a unit, `uptime` seconds after the boot."""
    began = properties.get("ActiveEnterTimestampMonotonic", "")
    runs = properties.get("ActiveState") == "active" and began.isdecimal()
    return Unit(
        name=name,
        load=properties.get("LoadState", ""),
        active=properties.get("ActiveState", ""),
        sub=properties.get("SubState", ""),
        result=properties.get("Result", ""),
        restarts=properties.get("NRestarts", "0"),
        exit_status=properties.get("ExecMainStatus", "0"),
        job=properties.get("Job", ""),
        last_words=last_words,
        active_for=uptime - int(began) / 1e6 if runs else None,
    )


def is_up(properties: Mapping[str, str]) -> bool:
    """Whether a unit runs, or starts for the first time: what it said last is not why it ended."""
    starts = properties.get("SubState") in _STARTING and properties.get("NRestarts") == "0"
    return starts or properties.get("ActiveState") == "active"


def last_words(lines: Sequence[str], *, up: bool = False) -> str:
    """Return the newest line of a unit's journal that complains, else the newest, without the journal's prefix.

    What systemd says of the unit counts only where the unit itself said nothing; of one that is up only complaints do.
    """
    written = [line for line in lines if line.strip()]
    own = [line for line in written if not _OF_SYSTEMD.search(line)]
    said = [_JOURNAL_PREFIX.sub("", line) for line in own or written]
    complaints = [line for line in said if _KLOG.search(line) or _COMPLAINT.search(line)]
    newest = (complaints or ([] if up else said) or [""])[-1]
    klog = _KLOG.search(newest)
    return klog[1] if klog else newest


def uplink(links: object, routes: object, neighbours: object) -> Uplink | Trouble:
    """Read what `ip -json` says of addresses, default routes and neighbours.

    The primary interface is that of the default route, else the first that is no loopback and no tunnel.
    """
    listed = [link for link in _mappings(links) if link.get("link_type") == "ether"]
    gateways = [(str(route.get("dev")), str(route["gateway"])) for route in _mappings(routes) if "gateway" in route]
    outward = {device for device, _ in gateways}
    chosen = next((link for link in listed if link.get("ifname") in outward), None) or next(iter(listed), None)
    if chosen is None:
        return Trouble("missing", "there is no network interface")
    name = str(chosen.get("ifname"))
    own = tuple(dict.fromkeys(gateway for device, gateway in gateways if device == name))
    asked = (each for each in _mappings(neighbours) if each.get("dev") == name)
    silent = {str(each.get("dst")) for each in asked if _SILENT & set(each.get("state") or ())}
    flags = chosen.get("flags") or ()
    return Uplink(
        name=name,
        up="UP" in flags,
        carrier="LOWER_UP" in flags,
        mtu=_number(chosen.get("mtu")),
        addresses=tuple(_global_addresses(chosen)),
        gateways=own,
        silent=tuple(gateway for gateway in own if gateway in silent),
    )


def _global_addresses(link: Mapping[str, Any]) -> list[str]:
    return [
        f"{address.get('local')}/{address.get('prefixlen')}"
        for address in _mappings(link.get("addr_info"))
        if address.get("scope") == "global"
    ]


def nameservers(resolv_conf: str) -> tuple[str, ...]:
    """Read the servers of a resolv.conf(5)."""
    words = (line.split() for line in resolv_conf.splitlines())
    return tuple(line[1] for line in words if len(line) > 1 and line[0] == "nameserver")


def secondaries(snapshot: Mapping[str, Any], uptime: float) -> tuple[Secondary, ...]:
    """Read the secondary ENIs of the network daemon's snapshot, whose times are seconds since boot."""
    return tuple(
        Secondary(
            str(eni.get("ifname") or eni.get("eniId") or eni.get("mac")),
            str(eni.get("state", "")),
            str(eni.get("reason") or ""),
            _since(_mapping(eni, "timestamps").get("state"), uptime),
        )
        for eni in _mappings(snapshot.get("enis"))
        if not eni.get("primary")
    )


def _since(began: object, uptime: float) -> float:
    return max(0.0, uptime - began) if isinstance(began, int | float) else 0.0


def pull_failures(journal: Sequence[str]) -> tuple[PullFailure, ...]:
    """Return the last failed pull of each image that has not been pulled since, the newest last."""
    failures: dict[str, PullFailure] = {}
    # Who cancels a pull, as with its pod's end, says nothing about the image.
    told = (line for line in journal if not _CANCELED.search(line))
    for found in filter(None, map(_PULL.search, told)):
        image = found["image"] or found["named"]
        failures.pop(image, None)
        if not found["done"]:
            failures[image] = PullFailure(image, _pull_reason(found["rest"] or found["reason"] or ""))
    return tuple(failures.values())


def _pull_reason(said: str) -> str:
    found = _PULL_ERROR.search(said)
    return _ENVELOPE.sub("", (found["reason"] if found else said).strip(' "'))


def kernel_news(messages: Sequence[str], records: Sequence[str]) -> KernelNews:
    """Read the kernel's messages of this boot, and what it kept of the last one (pstore)."""
    killed = [found[1] or "in a cgroup" for line in messages if (found := _KILLED.search(line))]
    panics = [words for record in records if (words := _panic(record))]
    return KernelNews(tuple(killed), panics[-1] if panics else "")


def _panic(record: str) -> str:
    found = _PANIC.search(record)
    if found is not None:
        return found[0]
    return "a kernel panic without its words" if _DUMP_OF_PANIC.search(record) else ""


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _mapping(body: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = body.get(key)
    return value if isinstance(value, dict) else {}


def _mappings(value: object) -> tuple[Mapping[str, Any], ...]:
    return tuple(item for item in value if isinstance(item, dict)) if isinstance(value, list) else ()
