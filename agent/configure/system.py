"""What the host itself reads: its name, hosts, resolvers, time servers, sysctls, variables of services."""

import json
from collections.abc import Iterator, Mapping

from agent.configure import naming
from agent.configure.facts import Facts
from agent.configure.schema import dotted
from agent.configure.settings import Settings
from agent.model import FileSpec, Verdict

HOST_NAME = "/etc/hostname"
SYSCTLS = "/etc/sysctl.d/90-node-agent.conf"
RESOLVED = "/etc/systemd/resolved.conf.d/50-node-agent.conf"
TIMESYNCD = "/etc/systemd/timesyncd.conf.d/50-node-agent.conf"
UNITS = "/etc/systemd/system"
_HOSTS = "/etc/hosts"
_NETWORK = "/etc/node-agent/network.json"
ENVIRONMENT = "/etc/systemd/environment"
_SERVICES = ("containerd", "kubelet")
_EVERY_SERVICE = "default"
# kubelet with protectKernelDefaults does not start where these differ (k8s.io/kubernetes pkg/util/sysctl).
_NEEDED_SYSCTLS = {
    "kernel.keys.root_maxbytes": "25000000",
    "kernel.keys.root_maxkeys": "1000000",
    "kernel.panic": "10",
    "kernel.panic_on_oops": "1",
    "vm.overcommit_memory": "1",
    "vm.panic_on_oom": "0",
}
_LOCALHOST = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"


def files(settings: Settings, facts: Facts) -> list[FileSpec]:
    hosts = "".join(f"{line.address} {' '.join(line.names)}\n" for line in settings.network.hosts)
    values = {**own_sysctls(settings), **_NEEDED_SYSCTLS}
    network = {"podSubnetMode": settings.network.pod_subnet, "schemaVersion": 1}
    return [
        FileSpec(HOST_NAME, f"{naming.host_name(settings, facts)}\n".encode()),
        FileSpec(_HOSTS, f"{_LOCALHOST}{hosts}".encode()),
        FileSpec(SYSCTLS, "".join(f"{key} = {value}\n" for key, value in sorted(values.items())).encode()),
        FileSpec(_NETWORK, (json.dumps(network, indent=2) + "\n").encode()),
        *_resolvers(settings),
        *_time_servers(settings),
        *_environment(settings),
    ]


def needed_sysctls(settings: Settings, facts: Facts) -> dict[str, str]:
    """Return the values without which no node joins; the host name is one to the kernel."""
    return {**_NEEDED_SYSCTLS, "kernel.hostname": naming.host_name(settings, facts)}


def own_sysctls(settings: Settings) -> dict[str, str]:
    """Return the user's values, under dotted names."""
    named = {_dotted_sysctl(key): value for key, value in settings.kernel.sysctl.items()}
    return {key: value for key, value in named.items() if key not in _NEEDED_SYSCTLS}


def remarks(settings: Settings) -> Iterator[Verdict]:
    for key, value in settings.kernel.sysctl.items():
        needed = _NEEDED_SYSCTLS.get(_dotted_sysctl(key), value)
        if needed != value:
            message = f"{value!a} is refused: kubelet does not start unless it is {needed}"
            yield Verdict(dotted(("kernel", "sysctl", key)), "warning", message, "user data")
    yield from _said_twice(settings.environment)


def _said_twice(environment: Mapping[str, Mapping[str, str]]) -> Iterator[Verdict]:
    for name, variables in sorted(environment.items()):
        for variable in sorted(variables.keys() & environment.get(f"{name}.service", {}).keys()):
            message = f"environment.{name}.service says it too, and counts"
            yield Verdict(dotted(("environment", name, variable)), "warning", message, "user data")


def _dotted_sysctl(key: str) -> str:
    """Return a sysctl's name with dots between its parts, as sysctl(8) writes it where it was written with slashes."""
    return key.translate(str.maketrans("/.", "./")) if "/" in key.partition(".")[0] else key


def _resolvers(settings: Settings) -> list[FileSpec]:
    pairs = {
        "DNS": " ".join(map(str, settings.dns.name_servers)),
        "Domains": " ".join(settings.dns.search_list),
    }
    return _section(RESOLVED, "Resolve", {name: value for name, value in pairs.items() if value})


def _time_servers(settings: Settings) -> list[FileSpec]:
    servers = " ".join(settings.ntp.time_servers)
    # An empty assignment first: later ones add to what the image names.
    return _section(TIMESYNCD, "Time", {"NTP": f"\nNTP={servers}"} if servers else {})


def _section(path: str, name: str, pairs: Mapping[str, str]) -> list[FileSpec]:
    lines = [f"[{name}]", *(f"{key}={value}" for key, value in pairs.items()), ""]
    return [FileSpec(path, "\n".join(lines).encode())] if pairs else []


def _environment(settings: Settings) -> list[FileSpec]:
    """Return each service's variables as a file of its own, which a drop-in names: not everybody may read them.

    They come after proxy.env, so that a service may have a proxy of its own.
    """
    shared = settings.environment.get(_EVERY_SERVICE, {})
    given = _by_service(settings.environment)
    found = []
    for service in sorted({*_SERVICES, *given} - {_EVERY_SERVICE}):
        variables = {**shared, **given.get(service, {})}
        if variables:
            path = f"{ENVIRONMENT}/{service}.env"
            lines = (f"{name}={_quoted(value)}\n" for name, value in sorted(variables.items()))
            drop_in = f"[Service]\nEnvironmentFile=-{path}\n"
            found += [
                FileSpec(path, "".join(lines).encode(), 0o600),
                FileSpec(f"{UNITS}/{service}.service.d/50-node-agent-environment.conf", drop_in.encode()),
            ]
    return found


def _by_service(environment: Mapping[str, Mapping[str, str]]) -> Mapping[str, Mapping[str, str]]:
    """Merge the tables of a service that stands with and without `.service`; of one variable the former counts."""
    found: dict[str, Mapping[str, str]] = {}
    for name, variables in sorted(environment.items()):
        service = name.removesuffix(".service")
        found[service] = {**found.get(service, {}), **variables}
    return found


def _quoted(value: str) -> str:
    """Return a value as systemd reads it back from an environment file (systemd.exec(5), EnvironmentFile=)."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("`", "\\`").replace("$", "\\$")
    return f'"{escaped}"'
