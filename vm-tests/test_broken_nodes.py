"""Nodes broken for real, without a machine where that is the same; the headline names each cause.

docs/broken-nodes.md shows each headline as it is printed: `--write-docs` writes what was seen there.
"""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

import pytest

import balancer
import played
from broken_ground import RESOLVER, Ground, standing
from headlines import Headlines
from world import machines, namespaces, pki
from world.facts import NODE_ROLE
from world.join import encoded
from world.metadata import Fault
from world.outside import PROXY
from world.processes import Process
from world.proxy import PORT, Proxy
from world.waiting import WaitError, until

pytestmark = pytest.mark.netns

ROLE = f"meta-data/iam/security-credentials/{NODE_ROLE}"
HOP_LIMIT = "Hop limit 1, asked from behind a bridge"
PROXY_REFUSES = "The proxy wants credentials"
NO_PROXY_LISTENS = "No proxy listens"
ENI_WITHOUT_ADDRESS = "Metadata does not tell the address of a secondary ENI"
METADATA = "ip daddr 169.254.169.254 drop\n ip6 daddr fd00:ec2::254 drop"
Breaking = Callable[[Ground], AbstractContextManager[None]]
BROKEN: dict[str, tuple[str, Breaking]] = {}


def broken(name: str, check: str) -> Callable[[Callable[[Ground], Iterator[None]]], Breaking]:
    """Register a way to break a node: what it is, and the check that must name it."""

    def register(breaking: Callable[[Ground], Iterator[None]]) -> Breaking:
        made = contextlib.contextmanager(breaking)
        BROKEN[name] = (check, made)
        return made

    return register


def filtered(name: str, check: str, rule: str, hook: str = "output") -> None:
    """Register a node in whose way a packet filter stands."""

    def breaking(ground: Ground) -> Iterator[None]:
        with ground.rules(f"chain c {{\n type filter hook {hook} priority 0\n {rule}\n}}"):
            yield

    broken(name, check)(breaking)


def given(name: str, check: str, user_data: Callable[[Ground], str]) -> None:
    """Register a node with wrong user data."""

    def breaking(ground: Ground) -> Iterator[None]:
        ground.configure(user_data(ground))
        yield

    broken(name, check)(breaking)


def faulty(name: str, check: str, path: str, fault: Fault) -> None:
    """Register a node whose metadata service misbehaves."""

    def breaking(ground: Ground) -> Iterator[None]:
        ground.resident.metadata.fault(path, fault)
        yield
        ground.resident.metadata.heal()

    broken(name, check)(breaking)


def changed(name: str, check: str, before: str, after: str) -> None:
    given(name, check, lambda ground: good(ground).replace(before, after))


def good(ground: Ground) -> str:
    return ground.cluster.user_data()


def without(ground: Ground, key: str) -> str:
    return "\n".join(line for line in good(ground).splitlines() if not line.startswith(key))


@broken("The interface is down", "primary")
def _(ground: Ground) -> Iterator[None]:
    ground.ip("link set dev eth0 down")
    yield
    ground.plug()


@broken("The primary ENI has no address", "primary")
def _(ground: Ground) -> Iterator[None]:
    ground.ip("address flush dev eth0 scope global")
    yield
    ground.plug()


@broken("No default route", "primary")
def _(ground: Ground) -> Iterator[None]:
    ground.ip("-4 route delete default")
    ground.ip("-6 route delete default")
    yield
    ground.plug()


filtered("No instance metadata service", "imds", METADATA)
faulty("The token is refused (403): metadata is disabled", "imds", "api/token", Fault(status=403))


given("A must-have setting is missing", "user-data", lambda ground: without(ground, "api-server"))
given("The user data cannot be decoded", "user-data", lambda _ground: "[settings.kubernetes\napi-server = ")
changed(
    "The cluster certificate is none", "user-data", 'cluster-certificate = "', 'cluster-certificate = "bm90IGEgY2VydA=='
)


@broken("The instance has no role", "role")
def _(ground: Ground) -> Iterator[None]:
    before = ground.resident.metadata.tree()
    ground.resident.metadata.remove("meta-data/iam")
    yield
    ground.resident.metadata.update(before)


@broken("The role's credentials have expired", "role")
def _(ground: Ground) -> Iterator[None]:
    yield from role_of(ground, lifetime=timedelta(hours=-1))


@broken("The role has no access entry", "authentication")
def _(ground: Ground) -> Iterator[None]:
    yield from role_of(ground, role="another-role")


def role_of(ground: Ground, **issued: Any) -> Iterator[None]:
    before = ground.resident.metadata.tree()
    credentials = ground.region.roles.issue(ground.resident.machine.instance_id, **issued)
    ground.resident.metadata.set(ROLE, credentials.document())
    yield
    ground.resident.metadata.update(before)


changed("The API server's name does not exist", "dns", "gr7.us-west-2.eks", "gr8.us-west-2.eks")
filtered("No DNS server answers", "dns", "udp dport 53 drop\n tcp dport 53 drop")
filtered("TCP to the API server is dropped", "tcp", "ip daddr 10.0.0.10 tcp dport 443 drop")
filtered("TCP to the API server is refused", "tcp", "ip daddr 10.0.0.10 tcp dport 443 reject with tcp reset")
filtered("There is no route to the API server", "tcp", "ip daddr 10.0.0.10 reject with icmp net-unreachable")
filtered("Large packets are lost on the way (MTU)", "tls", "ip saddr 10.0.0.10 meta length > 576 drop", "input")


def another_ca(ground: Ground) -> str:
    mine = encoded(ground.cluster.join.certificate)
    return good(ground).replace(mine, encoded(pki.authority("kubernetes").certificate))


given("The certificate is of another cluster", "tls", another_ca)


def expired_ca(ground: Ground) -> str:
    mine = ground.cluster.join.certificate
    return good(ground).replace(encoded(mine), encoded(ground.cluster.authority.expired()))


given("The cluster's CA has expired", "tls", expired_ca)
changed("The cluster's name is wrong", "authentication", 'cluster-name = "demo"', 'cluster-name = "another"')
changed(
    "The node's name is not the instance ID",
    "authentication",
    "[settings.kubernetes]\n",
    '[settings.kubernetes]\nhostname-override = "another"\n',
)


@broken("The API server's authenticator is away", "authentication")
def _(ground: Ground) -> Iterator[None]:
    # Tokens made in one second are the same, and the API server asks only once about each: let the second pass.
    made = int(time.time())
    until(lambda: int(time.time()) > made, 2, "the next second")
    with held(ground.cluster.program("aws-iam-authenticator")):
        yield


@broken("The API server cannot reach etcd", "authentication")
def _(ground: Ground) -> Iterator[None]:
    with held(ground.cluster.program("etcd")):
        yield


@broken("The load balancer of the API server has nobody to ask (503)", "authentication")
def _(ground: Ground) -> Iterator[None]:
    with balancer.standing(ground.cluster, ground.home.path) as instead:
        rule = f"ip daddr 10.0.0.10 tcp dport 443 dnat ip to {instead}"
        with ground.rules(f"chain c {{\n type nat hook output priority -100\n {rule}\n}}"):
            yield


@contextlib.contextmanager
def held(program: Process) -> Iterator[None]:
    program.popen.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        program.popen.send_signal(signal.SIGCONT)


NAMES = (*BROKEN, HOP_LIMIT, PROXY_REFUSES, NO_PROXY_LISTENS, ENI_WITHOUT_ADDRESS)


@pytest.fixture(scope="module")
def ground() -> Iterator[Ground]:
    with standing() as ground:
        yield ground


@pytest.fixture
def headlines(request: pytest.FixtureRequest) -> Headlines:
    return Headlines(write=bool(request.config.getoption("--write-docs")))


def asked(ground: Ground, check: str, netns: str | None = None, *, within: float = 30.0) -> dict[str, Any]:
    """Return the doctor's report once that check is its headline: on a busy machine a resolver may take over 2 s."""
    reports: list[dict[str, Any]] = []

    def named() -> bool:
        reports.append(ground.doctor(netns))
        return (reports[-1]["headline"] or {}).get("id") == check

    with contextlib.suppress(WaitError):  # the last report says what it named instead
        until(named, within, f"the headline is {check}")
    return reports[-1]


def test_a_good_node_fails_nowhere(ground: Ground) -> None:
    ground.configure(good(ground))
    report = ground.doctor()
    assert [check for check in report["checks"] if check["status"] == "fail"] == []


@pytest.mark.parametrize("name", BROKEN)
def test_the_headline_names_the_cause(ground: Ground, headlines: Headlines, name: str) -> None:
    check, breaking = BROKEN[name]
    ground.configure(good(ground))
    with breaking(ground):
        report = asked(ground, check)
    headlines.check(name, report, expected=check)


def test_a_hop_limit_of_one_is_named_behind_a_bridge(ground: Ground, headlines: Headlines) -> None:
    pod = ground.home.namespace("pod")
    namespaces.make(pod, resolver=RESOLVER)
    played.forward(ground.netns, pod)
    ground.configure(good(ground))
    headlines.check(HOP_LIMIT, asked(ground, "imds", pod), expected="imds")


def test_proxies_that_do_not_serve(ground: Ground, headlines: Headlines) -> None:
    netns = ground.home.namespace("proxy")
    namespaces.make(netns, resolver=RESOLVER)
    ground.region.vpc.attach(netns, PROXY)
    serving = Proxy(ground.home.path / "proxy", netns=netns, address=PROXY)
    ground.configure(good(ground) + proxied(f"http://{serving.address}:{PORT}"))
    headlines.check(PROXY_REFUSES, asked(ground, "proxy"), expected="proxy")
    serving.stop()
    headlines.check(NO_PROXY_LISTENS, asked(ground, "proxy"), expected="proxy")


def test_a_secondary_eni_whose_address_is_not_told(ground: Ground, headlines: Headlines) -> None:
    """EC2 shows all of an ENI within seconds; it is late after a minute."""
    ground.configure(good(ground))
    eni = ground.region.vpc.create(1)
    played.add(ground.region, ground.netns, "eth1", eni)
    ground.region.attach(ground.resident, eni)
    ground.resident.metadata.fault(f"{machines.interface_path(eni)}/local-ipv4s", Fault(status=500))
    ground.network()
    headlines.check(ENI_WITHOUT_ADDRESS, asked(ground, "enis", within=90.0), expected="enis")
    ground.resident.metadata.heal()


def proxied(url: str) -> str:
    return f'\n[settings.network]\nhttps-proxy = "{url}"\n'
