"""Every broken node has one headline, and nothing before it in the chain is called a failure."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from doctor.healthy import GIB, HEALTHY, HEALTHY_UPLINK, NODE, NOW, unit, units

from agent.dns_question import Taken
from agent.doctor.chain import CHAIN, examine
from agent.doctor.checks_api import UNINITIALIZED
from agent.doctor.evidence import (
    Configured,
    Evidence,
    Filesystem,
    Identity,
    Node,
    Proxy,
    PullFailure,
    Resolution,
    Role,
    Secondary,
    Serving,
    Status,
    Taint,
    Trouble,
    Uplink,
)
from agent.model import Verdict


def verdict(level: str) -> Verdict:
    return Verdict("settings.kubernetes.api-server", level, "is missing", "user data")


TAINT = re.compile(r"(?P<key>[^=:]+)(=(?P<value>[^:]*))?:(?P<effect>.+)")


def tainted(*taints: str) -> Node:
    """Return a Ready node with taints as kubectl writes them."""
    parts = [found.groupdict("") for taint in taints if (found := TAINT.fullmatch(taint))]
    return Node("True", "KubeletReady", taints=tuple(Taint(**each) for each in parts))


# Evidence of a broken node, the check that names it, and words that its headline must have.
def unresolved(*asked: Taken) -> dict[str, object]:
    return {"resolution": Trouble("no-answer", "not within 2 s"), "nameservers": asked}


BROKEN = {
    "no interface": ({"uplink": Trouble("missing", "there is no network interface")}, "primary", "no driver"),
    "interface down": ({"uplink": Uplink("eth0", False, False, 1500), "connection": None}, "primary", "is down"),
    "no carrier": ({"uplink": Uplink("eth0", True, False, 1500), "connection": None}, "primary", "no carrier"),
    "no address": ({"uplink": Uplink("eth0", True, True, 1500), "connection": None}, "primary", "DHCP gave it none"),
    "no default route": (
        {"uplink": Uplink("eth0", True, True, 1500, ("10.0.0.100/24",)), "connection": None},
        "primary",
        "no default route",
    ),
    "gateway silent": (
        {
            "uplink": replace(HEALTHY_UPLINK, silent=HEALTHY_UPLINK.gateways),
            "connection": None,
        },
        "primary",
        "the gateway 10.0.0.1 of eth0 does not answer",
    ),
    "clock an hour ahead": ({"clock_ahead": timedelta(hours=1)}, "clock", "1 h ahead"),
    "clock an hour behind": ({"clock_ahead": timedelta(hours=-1)}, "clock", "1 h behind"),
    "disk full at boot": (
        {
            "filesystems": (Filesystem("/var", GIB, 0, 1000, 900),),
            "configured": Configured(
                "failed", "cannot write /var/lib/node-agent/identity.json: No space left on device"
            ),
        },
        "disk",
        "/var has 0 of 1024 MiB free",
    ),
    "disk full": ({"filesystems": (Filesystem("/var", GIB, 0, 1000, 900),)}, "disk", "/var has 0 of 1024 MiB free"),
    "inodes used up": ({"filesystems": (Filesystem("/var", GIB, GIB, 1000, 0),)}, "disk", "0 of 1000 inodes"),
    "containerd hangs": ({"containerd_socket": False}, "containerd", "nothing answers at its socket"),
    "containerd without CRI": (
        {
            "units": units(
                kubelet=unit(
                    "kubelet.service",
                    "activating",
                    restarts="9",
                    last_words='"command failed" err="failed to run Kubelet: validate service connection: validate CRI '
                    'v1 runtime API for endpoint \\"unix:///run/containerd/containerd.sock\\": rpc error: '
                    'code = Unimplemented desc = unknown service runtime.v1.RuntimeService"',
                )
            )
        },
        "containerd",
        'unknown service runtime.v1.RuntimeService"; likely cause: its CRI plugin',
    ),
    "no credential provider": (
        {
            "units": units(
                kubelet=unit("kubelet.service", "failed", last_words='"Failed to register CRI auth plugins" err="x"')
            )
        },
        "kubelet",
        "credential-providers",
    ),
    "kubelet configuration, in the first attempt": (
        {"units": units(kubelet=unit("kubelet.service", "activating", last_words="failed to validate kubelet config"))},
        "kubelet",
        "refuses its configuration",
    ),
    "containerd configuration": (
        {"units": units(containerd=unit("containerd.service", "activating", last_words="failed to load TOML: (1, 2)"))},
        "containerd",
        "settings.containerd.config",
    ),
    "kubelet configuration": (
        {"units": units(kubelet=unit("kubelet.service", "failed", last_words="failed to load Kubelet config file x"))},
        "kubelet",
        "kubelet refuses its configuration",
    ),
    "no serving certificate": ({"serving": Serving(False, 600)}, "serving", "no serving certificate since it started"),
    "proxy refuses": ({"proxy": Proxy("10.0.0.9:3128", "ecr:443", 403)}, "proxy", "rules do not allow it"),
    "proxy wants credentials": ({"proxy": Proxy("10.0.0.9:3128", "ecr:443", 407)}, "proxy", "wants credentials"),
    "no proxy listens": ({"proxy": Trouble("refused", "10.0.0.9:3128 refused")}, "proxy", "no proxy listens"),
    "DNS is silent about the proxy": (
        {"proxy": Trouble("no-answer", "not within 2 s")},
        "proxy",
        "DNS does not answer for the host of settings.network.https-proxy",
    ),
    "DNS fails for the proxy": (
        {"proxy": Trouble("failing", "SERVFAIL")},
        "proxy",
        "DNS fails for the host of settings.network.https-proxy",
    ),
    "proxy missing": (
        {"pull_failures": (PullFailure("r.example/x:1", "dial tcp 192.0.2.1:443: i/o timeout"),)},
        "images",
        "https-proxy",
    ),
    "registry's CA": (
        {"pull_failures": (PullFailure("r.example/x:1", "x509: unknown authority"),)},
        "images",
        "settings.pki",
    ),
    "ENI degraded": (
        {"secondaries": (Secondary("eth1", "degraded", "no address"),)},
        "enis",
        "eth1 degraded: no address",
    ),
    "ENI without address": (
        {"secondaries": (Secondary("eth1", "metadata-pending", "no local-ipv4s", 120.0),)},
        "enis",
        "eth1 metadata-pending: no local-ipv4s, for over a minute",
    ),
    "no IMDS": ({"metadata": Trouble("server", "IMDS cannot be reached", "see the route")}, "imds", "see the route"),
    "clock far behind": ({"clock_ahead": -timedelta(days=3, hours=2)}, "clock", "3 d 2 h behind"),
    "clock ahead": ({"clock_ahead": timedelta(minutes=6)}, "clock", "UDP port 123"),
    "must-have key missing": (
        {"configured": Configured("failed", "bad", (verdict("warning"), verdict("error")))},
        "user-data",
        "settings.kubernetes.api-server: is missing",
    ),
    "two bad keys": (
        {"configured": Configured("failed", "bad", (verdict("error"), verdict("error")))},
        "user-data",
        "and 1 more",
    ),
    "configure cannot write": ({"configured": Configured("failed", "disk is full")}, "user-data", "disk is full"),
    "configure waits": ({"configured": Configured("waiting", "IMDS is late")}, "user-data", "IMDS is late"),
    "nothing has run yet": ({"configured": None}, "user-data", "has not reported"),
    "no role": ({"role": Trouble("server", "the instance has no role")}, "role", "instance profile"),
    "expired credentials": ({"role": Role(NOW - timedelta(minutes=1))}, "role", "expired at 2026-11-22T14:59:00Z"),
    "no kubeconfig": ({"endpoint": Trouble("server", "there is no kubeconfig")}, "dns", "there is no kubeconfig"),
    "endpoint does not resolve": ({"resolution": Trouble("name", "no such host")}, "dns", "enableDnsSupport"),
    "DNS down": (unresolved(Taken("10.0.0.2")), "dns", "not within 2 s; 10.0.0.2 does not answer"),
    "DNS down, of two servers": (unresolved(Taken("10.0.0.2"), Taken("10.0.0.3")), "dns", "no DNS server answers"),
    "DNS fails": (unresolved(Taken("10.0.0.2", "SERVFAIL", 0.002)), "dns", "10.0.0.2 answers SERVFAIL in 2 ms"),
    "DNS fails for this name": (unresolved(Taken("10.0.0.2", "REFUSED")), "dns", "forwarding rules"),
    "first DNS server down": (unresolved(Taken("10.0.0.9"), Taken("10.0.0.2", "NOERROR")), "dns", "is asked late"),
    "one DNS server down, one fails": (
        unresolved(Taken("10.0.0.9"), Taken("10.0.0.2", "SERVFAIL")),
        "dns",
        "fails for",
    ),
    "slow resolver": (unresolved(Taken("10.0.0.2", "NOERROR", 1.9)), "dns", "too busy"),
    "no DNS server": (unresolved(), "dns", "no DNS server is configured"),
    "DNS fails, servers unknown": ({**unresolved(), "nameservers": None}, "dns", "SERVFAIL"),
    "TCP refused": ({"connection": Trouble("refused", "refused")}, "tcp", "no API server listens there"),
    "TCP dropped": ({"connection": Trouble("timeout", "no answer within 2 s")}, "tcp", "security group"),
    "no route": ({"connection": Trouble("unreachable", "unreachable")}, "tcp", "route table"),
    "wrong CA": ({"tls": Trouble("issuer", "unknown issuer")}, "tls", "cluster-certificate is not of this cluster"),
    "wrong name": ({"tls": Trouble("hostname", "mismatch")}, "tls", "names another host"),
    "expired certificate": ({"tls": Trouble("expired", "has expired")}, "tls", "clock is ahead"),
    "clock behind": ({"tls": Trouble("not-yet-valid", "not yet valid")}, "tls", "clock is behind"),
    "MTU black hole": ({"tls": Trouble("timeout", "not done within 2 s")}, "tls", "MTU"),
    "no access entry": ({"identity": Trouble("unauthorized", "401")}, "authentication", "access entry"),
    "no API server of EKS": (
        {"identity": Trouble("absent", "404", "apply the CustomResourceDefinition")},
        "authentication",
        "take the endpoint",
    ),
    "API 503": ({"identity": Trouble("server", "503")}, "authentication", "overloaded or failing"),
    "node name mismatch": ({"identity": Identity("system:node:other")}, "authentication", "the cluster sees"),
    "wrong access entry": ({"identity": Identity(f"system:node:{NODE}")}, "authentication", "system:nodes"),
    "containerd dead": (
        {"units": units(containerd=unit("containerd.service", "failed", result="exit-code", exit_status="1"))},
        "containerd",
        "exit status 1",
    ),
    "containerd missing": (
        {"units": units(containerd=unit("containerd.service", "inactive", load="not-found"))},
        "containerd",
        "not-found",
    ),
    "kubelet does not come up": (
        {"units": units(kubelet=unit("kubelet.service", "activating", restarts="7", last_words="bad flag"))},
        "kubelet",
        "bad flag",
    ),
    "kubelet not started": ({"units": units(kubelet=unit("kubelet.service", "inactive"))}, "kubelet", "not started"),
    "kubelet starting": ({"units": units(kubelet=unit("kubelet.service", "activating"))}, "kubelet", "is starting"),
    "kubelet waits for configure": (
        {"units": units(kubelet=unit("kubelet.service", "inactive", job="123"))},
        "kubelet",
        "waits to be started",
    ),
    "systemd silent": (
        {"units": units(containerd=unit("containerd.service", "", load=""))},
        "containerd",
        "systemd does not answer",
    ),
    "not registered": ({"node": Trouble("missing", f"the cluster has no Node {NODE}")}, "node", "not registered"),
    "node forbidden": ({"node": Trouble("forbidden", "403")}, "node", "access entry"),
    "not registered, and kubelet says why": (
        {
            "node": Trouble("missing", f"the cluster has no Node {NODE}"),
            "units": units(kubelet=unit("kubelet.service", last_words="Unable to register node err=webhook denied")),
        },
        "node",
        "kubelet last said: Unable to register node err=webhook denied",
    ),
    "never reported": ({"node": Node("Unknown")}, "node", "Ready is Unknown; likely cause: "),
    "no CNI": ({"node": Node("False", "KubeletNotReady", "cni plugin not initialized")}, "node", "no CNI"),
    "disk pressure": ({"node": Node("False", "KubeletHasDiskPressure", "full")}, "node", "KubeletHasDiskPressure"),
    "kubelet silent": ({"node": Node("Unknown", "NodeStatusUnknown")}, "node", "stopped reporting"),
    "not initialised": ({"node": tainted(f"{UNINITIALIZED}=true:NoSchedule")}, "node", "cloud node controller"),
    "no data volume": ({"statuses": {"storage": Status("failed", "no data volume")}}, "storage", "EBS volume"),
    "volume late": ({"statuses": {"storage": Status("waiting", "no disk yet")}}, "storage", "no disk yet"),
    "storage silent": ({"statuses": {}}, "storage", "has not reported"),
    "our unit failed": ({"failed_units": ("node-agent-network.service",)}, "units", "node-agent-network.service"),
    "systemctl failed": ({"failed_units": Trouble("server", "no bus")}, "units", "no bus"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_node_has_its_headline(name: str) -> None:
    changes, expected, words = BROKEN[name]
    report = examine(replace(HEALTHY, **changes))
    headline = report.headline
    assert headline is not None
    assert headline.id == expected
    assert words in f"{headline.message} -> {headline.action}"
    assert not report.healthy
    before = [check.status for check in report.checks[: [link.id for link in CHAIN].index(expected)]]
    assert "fail" not in before


@pytest.mark.parametrize("name", BROKEN)
def test_a_failure_says_what_to_do(name: str) -> None:
    report = examine(replace(HEALTHY, **BROKEN[name][0]))
    assert all(check.action for check in report.checks if check.status in {"fail", "unknown"})


def test_a_healthy_node_has_no_headline() -> None:
    report = examine(HEALTHY)
    assert [(check.id, check.status) for check in report.checks] == [(link.id, "ok") for link in CHAIN]
    assert report.healthy
    assert report.headline is None


@pytest.mark.parametrize(
    ("changes", "check", "words"),
    [
        ({"configured": Configured("ok", "", (verdict("warning"),))}, "user-data", "is missing"),
        ({"resolution": Resolution(("10.0.0.5",), 1.5)}, "dns", "after 1500 ms (10.0.0.2 answers in 3 ms)"),
        ({"role": Role(NOW + timedelta(minutes=4))}, "role", "expire at"),
        ({"units": units(kubelet=unit("kubelet.service", restarts="5"))}, "kubelet", "5 restarts"),
        ({"statuses": {"storage": Status("degraded", "in memory")}}, "storage", "in memory"),
        ({"failed_units": ("fstrim.service",)}, "units", "fstrim.service"),
        ({"failed_units": ("node-agent-packets@0a.service",)}, "units", "node-agent-packets@0a.service"),
        ({"failed_units": ("node-agent-console.service",)}, "units", "node-agent-console.service"),
        ({"proxy": Trouble("silent", "10.0.0.9:3128 takes connections")}, "proxy", "takes connections"),
        ({"proxy": Proxy("10.0.0.9:1080", "ecr:443", socks=True)}, "proxy", "cannot be asked through SOCKS"),
        ({"statuses": {"storage": Status("ok", "")}}, "daemons", "none has reported"),
        (
            {"statuses": {"storage": Status("ok", ""), "network": Status("waiting", "no MAC")}},
            "daemons",
            "network waiting: no MAC",
        ),
    ],
)
def test_what_does_not_keep_a_node_out_is_a_warning(changes: dict[str, object], check: str, words: str) -> None:
    report = examine(replace(HEALTHY, **changes))
    found = next(each for each in report.checks if each.id == check)
    assert found.status == "warn"
    assert words in found.evidence
    assert report.healthy


@pytest.mark.parametrize(
    "taint",
    [
        *("node.cilium.io/agent-not-ready:NoSchedule", "ebs.csi.aws.com/agent-not-ready:NoExecute"),
        *("karpenter.sh/unregistered:NoExecute", "node.kubernetes.io/network-unavailable:NoSchedule"),
        *("node.kubernetes.io/not-ready:NoExecute", "readiness.k8s.io/NetworkReady=pending:NoSchedule"),
    ],
)
def test_a_taint_that_keeps_pods_away_until_something_is_ready_is_a_warning(taint: str) -> None:
    report = examine(replace(HEALTHY, node=tainted("dedicated=gpu:NoSchedule", taint)))
    found = next(each for each in report.checks if each.id == "node")
    assert (found.status, found.evidence) == ("warn", f"Ready, tainted dedicated=gpu:NoSchedule, {taint}")
    assert found.cause.startswith(f"{taint} keeps pods away")
    assert found.action
    assert report.healthy


@pytest.mark.parametrize(
    "taint",
    [
        *("dedicated=gpu:NoSchedule", "nvidia.com/gpu:NoExecute", "node.kubernetes.io/unschedulable:NoSchedule"),
        *("karpenter.sh/disrupted:NoSchedule", "example.com/agent-not-ready:PreferNoSchedule"),
    ],
)
def test_a_taint_that_may_be_wanted_is_evidence_of_a_healthy_node(taint: str) -> None:
    found = next(each for each in examine(replace(HEALTHY, node=tainted(taint))).checks if each.id == "node")
    assert (found.status, found.evidence) == ("ok", f"Ready, tainted {taint}")


def test_a_node_that_is_short_of_memory_tells_its_taints_too() -> None:
    taint = "node.kubernetes.io/memory-pressure:NoSchedule"
    seen = replace(tainted(taint), pressures=("MemoryPressure",))
    found = next(each for each in examine(replace(HEALTHY, node=seen)).checks if each.id == "node")
    assert (found.status, found.evidence) == ("warn", f"Ready, with MemoryPressure, tainted {taint}")


def test_a_kubelet_that_asks_for_no_serving_certificate_lacks_none() -> None:
    report = examine(replace(HEALTHY, serving=Serving(present=False, waited=4000.0, asked=False)))
    assert report.healthy
    found = next(each for each in report.checks if each.id == "serving")
    assert (found.status, found.evidence.partition(":")[0]) == ("ok", "kubelet signs its own certificate")


def test_a_proxy_that_the_registry_is_not_reached_by_is_none_in_the_way() -> None:
    report = examine(replace(HEALTHY, proxy=Proxy(target="api.ecr.example:443", bypassed=True), registry="10.0.0.6"))
    assert report.healthy
    found = {check.id: check.evidence for check in report.checks}
    assert "no-proxy has api.ecr.example:443 reached without it" in found["proxy"]
    assert "10.0.0.6" in found["images"]


def test_a_name_that_resolves_tells_which_server_answered_and_how_late() -> None:
    report = examine(replace(HEALTHY, nameservers=(Taken("10.0.0.2", "NOERROR", 0.003), Taken("10.0.0.9"))))
    assert report.healthy
    found = {check.id: check.evidence for check in report.checks}
    said = "api.demo.example is 10.0.0.5, after 10 ms (10.0.0.2 answers in 3 ms; 10.0.0.9 does not answer)"
    assert found["dns"] == said


def test_a_headline_is_one_line() -> None:
    report = examine(replace(HEALTHY, node=Node("False", "KubeletNotReady", "a\nSTOPPING=1")))
    assert report.headline is not None
    assert "a STOPPING=1" in report.headline.message


def test_what_needs_a_failed_check_is_skipped_because_of_the_first() -> None:
    report = examine(replace(HEALTHY, resolution=Trouble("name", "no such host")))
    skipped = {check.id: check.cause for check in report.checks if check.status == "skipped"}
    assert skipped == dict.fromkeys(("tcp", "tls", "authentication", "node", "serving"), "because dns failed")


def test_a_look_without_probes_names_what_is_known() -> None:
    """At boot nothing has been asked yet: a daemon that fails is the headline all the same."""
    bare = Evidence(now=NOW)
    assert {check.status for check in examine(bare).checks} <= {"skipped", "unknown", "warn"}
    headline = examine(replace(bare, configured=Configured("failed", "", (verdict("error"),)))).headline
    assert headline is not None
    assert headline.id == "user-data"


@pytest.mark.parametrize(
    ("field", "check"),
    [
        ("metadata", "imds"),
        ("role", "role"),
        ("resolution", "dns"),
        ("connection", "tcp"),
        ("tls", "tls"),
        ("identity", "authentication"),
        ("node", "node"),
        ("failed_units", "units"),
    ],
)
def test_what_nobody_had_the_time_to_ask_is_neither_good_nor_bad(field: str, check: str) -> None:
    report = examine(replace(HEALTHY, **{field: None}))
    assert not report.healthy
    assert report.headline is not None
    assert report.headline.id == check
    assert "not asked" in report.headline.message


def test_a_trouble_of_a_new_kind_is_still_a_failure() -> None:
    report = examine(replace(HEALTHY, connection=Trouble("other", "protocol not available")))
    assert report.headline is not None
    assert "protocol not available" in report.headline.message
