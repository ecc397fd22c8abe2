"""Everything that configure renders: settings and facts in, files and kernel settings out."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agent.configure import (
    containerd,
    effective,
    fitting,
    flags,
    identity,
    instance_store,
    kubelet,
    naming,
    providers,
    proxy,
    speaking,
    system,
    trust,
)
from agent.configure.facts import Facts
from agent.configure.settings import Settings
from agent.model import FileSpec, Verdict

# Programs read these once, at their start. What a registry's hosts.toml says is read for every image.
_CONTAINERD_READS = frozenset({containerd.PATH, containerd.BASE_SPEC, proxy.PATH, trust.STORE})
_KUBELET_READS = ("/etc/kubernetes/", providers.CONFIG, *identity.MANAGERS)
_READ_BY = {
    system.RESOLVED: "systemd-resolved.service",
    system.TIMESYNCD: "systemd-timesyncd.service",
    speaking.TIMER: "node-agent-console.timer",
}


@dataclass(frozen=True, slots=True)
class Rendered:
    """The files as they should be, by path, and the sysctls as the kernel should have them.

    The kernel may not know one of `wishes`; without one of `sysctls` no node joins.
    """

    files: tuple[FileSpec, ...]
    sysctls: dict[str, str]
    wishes: dict[str, str]


def render(settings: Settings, facts: Facts, accepted: Mapping[str, Any]) -> Rendered:
    """Render what follows from settings; `accepted` has them as they were written."""
    files = [
        *kubelet.files(settings, facts),
        *providers.files(settings, facts),
        *containerd.files(settings),
        *proxy.files(settings, facts),
        *trust.files(settings, facts.public_bundle),
        *system.files(settings, facts),
        *instance_store.files(settings),
        *speaking.files(settings),
        *effective.files(accepted),
    ]
    twice = [path for path, number in Counter(spec.path for spec in files).items() if number > 1]
    if twice:  # the one would be lost, and each pass would write the other anew
        raise ValueError(f"rendered more than once: {', '.join(twice)}")
    return Rendered(
        tuple(sorted(files, key=lambda spec: spec.path)),
        system.needed_sysctls(settings, facts),
        system.own_sysctls(settings),
    )


def remarks_of_settings(settings: Settings) -> Iterator[Verdict]:
    """Say what is left out, and what is odd though accepted, on whatever machine."""
    yield from flags.remarks(settings)
    yield from containerd.remarks(settings)
    yield from system.remarks(settings)
    yield from instance_store.remarks(settings)


def remarks_of_facts(settings: Settings, facts: Facts, now: datetime) -> Iterator[Verdict]:
    """Say what is assumed, left out and odd on this machine."""
    yield from naming.remarks(settings, facts)
    yield from fitting.remarks(settings, facts)
    yield from providers.remarks(settings, facts)
    yield from trust.remarks(settings, facts.public_bundle, now)


def restarts(changed: frozenset[str]) -> tuple[str, ...]:
    """Return the units that must start anew, where they run, for the changed files to count.

    kubelet comes after containerd, as pods are started by the one through the other.
    """
    services = {unit for path in changed for unit in _service(path)}
    if changed & _CONTAINERD_READS or "containerd.service" in services:
        services |= {"containerd.service", "kubelet.service"}
    if any(path.startswith(_KUBELET_READS) for path in changed):
        services.add("kubelet.service")
    return tuple(sorted(services))


def on_this_image(units: Sequence[str], load_states: Mapping[str, str]) -> tuple[str, ...]:
    """Return the units that can be restarted; one of which nothing is known may be."""
    return tuple(unit for unit in units if load_states.get(unit, "loaded") == "loaded")


def needs_reload(changed: frozenset[str]) -> bool:
    """Whether systemd must read its units again before any of them starts anew."""
    return any(path.startswith(f"{system.UNITS}/") for path in changed)


def _service(path: str) -> Iterator[str]:
    """Give the service that a drop-in, a file of variables or a file of its own is for."""
    if path in _READ_BY:
        yield _READ_BY[path]
    if path.startswith(f"{system.ENVIRONMENT}/"):
        yield path.rpartition("/")[2].removesuffix(".env") + ".service"
