"""Every key: what it takes, what becomes of a bad value, and what is said about it."""

import json
from ipaddress import ip_address

import pytest
from configure.samples import API_SERVER, PEM, accepted, base64_of, check, document

from agent.configure import report
from agent.configure.kubernetes_rules import Taint
from agent.model import Verdict

MUST_HAVE_KEYS = ("api-server", "cluster-certificate", "cluster-name")


def verdict(text: str) -> Verdict:
    (only,) = check(text).verdicts
    return only


@pytest.mark.parametrize("key", MUST_HAVE_KEYS)
def test_a_must_have_that_is_missing_is_an_error(key: str) -> None:
    text = "\n".join(line for line in document().splitlines() if not line.startswith(key))
    checked = check(text)
    assert checked.settings is None
    (only,) = checked.verdicts
    assert (only.path, only.level) == (f"settings.kubernetes.{key}", "error")
    assert only.message.startswith("missing: ")


def test_no_user_data_at_all_names_every_must_have() -> None:
    paths = {verdict.path for verdict in check("").verdicts}
    assert paths == {f"settings.kubernetes.{key}" for key in MUST_HAVE_KEYS}


@pytest.mark.parametrize(
    "url",
    ["", "http://example.com", "example.com", "https://", "https://u:p@example.com", "https://example.com:0",
     "https://example.com:99999", "https://exa mple.com", "https://example.com/?q", "https://[::1", "https://a\\u0000b",
     1],
)  # fmt: skip
def test_api_server_is_an_https_url(url: object) -> None:
    text = document().replace(f'"{API_SERVER}"', json.dumps(url).replace("\\\\", "\\"))
    found = verdict(text)
    assert (found.path, found.level) == ("settings.kubernetes.api-server", "error")
    assert "an https URL" in found.message


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        ("", "at least one PEM certificate"),
        ("bm90IGEgY2VydGlmaWNhdGU=", "is not X.509"),
        ("not base64!", "base64 (the standard alphabet"),
        (base64_of("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), "is not X.509"),
        (base64_of(PEM["kubernetes"][:-40]), "a whole CERTIFICATE block"),
        (base64_of(PEM["corporate"] + PEM["kubernetes"][:-40]), "every CERTIFICATE block ends"),
        (base64_of("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), "private key"),
        (base64_of(PEM["kubernetes"] + "-----BEGIN EC PRIVATE KEY-----\n"), "private key"),
        (base64_of(PEM["kubernetes"].replace("CERTIFICATE", "TRUSTED CERTIFICATE")), "plain CERTIFICATE blocks"),
    ],
)
def test_a_ca_that_is_no_certificate_is_an_error(data: str, rule: str) -> None:
    found = verdict(document().replace(base64_of(PEM["kubernetes"]), data))
    assert (found.path, found.level) == ("settings.kubernetes.cluster-certificate", "error")
    assert rule in found.message


@pytest.mark.parametrize(
    ("line", "path", "rule"),
    [
        ("max-pods = 9999999999", "max-pods", "an integer from 1 to 2147483647; 110 is used instead"),
        ("max-pods = 0", "max-pods", "an integer"),
        ("max-pods = true", "max-pods", "an integer"),
        ('max-pods = "58"', "max-pods", "an integer"),
        (f"max-pods = 0x{'f' * 5000}", "max-pods", "an integer beyond 64 bits is refused"),
        ("max-pods = 1979-05-27", "max-pods", "a date or time is refused"),
        ("max-pods = nan", "max-pods", "a fraction is refused"),
        ('cluster-dns-ip = "172.20.0"', "cluster-dns-ip", "an IP address"),
        ('cluster-dns-ip = "fe80::1%eth0"', "cluster-dns-ip", "an IP address"),
        ('service-cidr = "10.100.0.0/30"', "service-cidr", "an IP network of 16 addresses or more"),
        ('service-cidr = "fd00::/128"', "service-cidr", "an IP network of 16 addresses or more"),
        ('kube-reserved.memory = "100ki"', "kube-reserved.memory", "a quantity under one of"),
        ('image-minimum-gc-age = "\uff11\uff10s"', "image-minimum-gc-age", "a duration"),
        ('image-minimum-gc-age = "9999999999h"', "image-minimum-gc-age", "64 bits of nanoseconds"),
        ('reserved-cpus = "3-1"', "reserved-cpus", "a list of CPUs"),
        ('memory-manager-reserved-memory.0.memory = "0Mi"', "memory-manager-reserved-memory.0", "more than nothing"),
        ('cluster-domain = ".local"', "cluster-domain", "a lower-case DNS domain"),
        ('server-tls-bootstrap = "yes"', "server-tls-bootstrap", "true or false"),
        ('container-log-max-size = "10 MB"', "container-log-max-size", "a size in whole bytes"),
        ('container-log-max-size = "1m"', "container-log-max-size", "a size in whole bytes"),
        ("ids-per-pod = 196608", "ids-per-pod", "a power of two"),
        ('allowed-unsafe-sysctls = "net.*"', "allowed-unsafe-sysctls", "a list of sysctl names"),
        ('node-labels = "a=b"', "node-labels", "a table"),
        ('node-labels.a = "b c"', "node-labels.a", "empty or 1 to 63"),
        ('node-labels."a b" = "c"', 'node-labels."a b"', "a Kubernetes name"),
        ('node-labels."kubernetes.io/role" = "x"', 'node-labels."kubernetes.io/role"', "kubelet would not start"),
        ('node-taints.a = "b:Schedule"', "node-taints.a", "NoSchedule, PreferNoSchedule, NoExecute"),
        ('eviction-hard."nodefs.free" = "5%"', 'eviction-hard."nodefs.free"', "memory.available"),
        ('eviction-hard."nodefs.available" = "100%"', 'eviction-hard."nodefs.available"', "a Kubernetes quantity"),
        ('kube-reserved.gpu = "1"', "kube-reserved.gpu", "ephemeral-storage"),
    ],
)
def test_a_bad_value_costs_its_own_key_only(line: str, path: str, rule: str) -> None:
    text = document(line)
    found = verdict(text)
    assert (found.path, found.level, found.source) == (f"settings.kubernetes.{path}", "warning", "user data")
    assert rule in found.message
    assert accepted(text) == accepted(document())


@pytest.mark.parametrize(
    ("text", "path", "said"),
    [
        (document("max-podz = 1"), "kubernetes.max-podz", "did you mean max-pods?"),
        (document(rest="[settings.netwrok]"), "netwrok", "did you mean network?"),
        (document("qqqqqq = 1"), "kubernetes.qqqqqq", "unknown key, ignored"),
        (document('authentication-mode = "tls"'), "kubernetes.authentication-mode", "accepted, not applied"),
        (document(rest="[settings.updates]\nx = 1"), "updates", "accepted, not applied"),
        (document(rest='[settings.pki."a b"]'), 'pki."a b"', "letters, digits and hyphens"),
        (document(rest="[settings.pki]\na = 1"), "pki.a", "a table"),
        (document(rest='[settings.pki.a]\ndata = "AAAA"\ntrusted = true'), "pki.a.data", "it is ignored"),
        (document(rest='[settings.network]\nhttps-proxy = "ftp://u:p@h"'), "network.https-proxy", "the URL of a proxy"),
        (document(rest='[settings.network]\nno-proxy = ["a b"]'), "network.no-proxy", "without spaces"),
        (document(rest=f'[settings.network]\nhostname = "{"a" * 65}"'), "network.hostname", "at most 64"),
    ],
)
def test_strange_keys_and_bad_values_elsewhere_are_warnings(text: str, path: str, said: str) -> None:
    found = verdict(text)
    assert (found.path, found.level) == (f"settings.{path}", "warning")
    assert said in found.message


def test_secrets_of_refused_values_are_not_said() -> None:
    text = document(rest='[settings.network]\nhttps-proxy = "http://user:hunter2@proxy.example.com/path"')
    assert "hunter2" not in report.as_json(check(text)) + report.as_text(check(text))
    good = document(rest='[settings.network]\nhttps-proxy = "http://user:hunter2@proxy.example.com"')
    assert accepted(good).network.https_proxy.endswith("user:hunter2@proxy.example.com")
    assert "hunter2" not in report.as_json(check(good)) + report.as_text(check(good))


def test_good_values_arrive() -> None:
    settings = accepted(
        document(
            'max-pods = 58\ncluster-dns-ip = ["172.20.0.10", "fd00::a"]\nlog-level = 0\n'
            'node-labels = {"node.kubernetes.io/x" = "", "example.com/team" = "a_B.c-1"}\n'
            'node-taints = {dedicated = ["gpu:NoSchedule", ":NoExecute"], other = "x:PreferNoSchedule"}',
            '[settings.network]\nhttps-proxy = "proxy.example.com:3128/"\nno-proxy = [" a.example.com ", ""]',
        )
    )
    assert settings.kubernetes.max_pods == 58
    assert settings.kubernetes.cluster_dns_ip == (ip_address("172.20.0.10"), ip_address("fd00::a"))
    assert settings.kubernetes.log_level == 0
    assert settings.kubernetes.node_labels == {"node.kubernetes.io/x": "", "example.com/team": "a_B.c-1"}
    assert settings.kubernetes.node_taints == {
        "dedicated": (Taint("gpu", "NoSchedule"), Taint("", "NoExecute")),
        "other": (Taint("x", "PreferNoSchedule"),),
    }
    assert settings.network.https_proxy == "http://proxy.example.com:3128"
    assert settings.network.no_proxy == ("a.example.com",)


def test_thousands_of_bad_keys_are_counted() -> None:
    checked = check(document("\n".join(f"key{number} = 1" for number in range(1000))))
    assert len(checked.verdicts) == 101
    assert checked.verdicts[-1].message == "and 900 more"


def test_the_report_is_json_as_documented() -> None:
    body = json.loads(report.as_json(check(document("max-pods = 58\nmax-podz = 1"))))
    assert body["ok"] is True
    assert body["settings"]["kubernetes"]["max-pods"] == 58
    assert body["settings"]["kubernetes"]["cluster-domain"] == "cluster.local"
    assert body["settings"]["kubernetes"]["cluster-certificate"] == base64_of(PEM["kubernetes"])
    assert body["verdicts"] == [
        {
            "path": "settings.kubernetes.max-podz",
            "level": "warning",
            "message": "unknown key, ignored; did you mean max-pods?",
            "source": "user data",
        }
    ]


def test_the_report_for_people_ends_with_the_outcome() -> None:
    assert report.as_text(check(document())).endswith("\n\nusable\n")
    text = report.as_text(check("[settings"))
    assert "error: user data: not TOML" in text
    assert text.endswith("not usable: kubelet would not start\n")


def test_what_is_left_out_is_not_in_the_report() -> None:
    text = document(rest="[settings.kubernetes.static-pods.a]\n[settings.kubernetes.credential-providers.b]\n")
    pods = json.loads(report.as_json(check(text)))["settings"]["kubernetes"]
    assert (pods["static-pods"], pods["credential-providers"]) == ({"a": {"enabled": False}}, {"b": {"enabled": False}})


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        (["vm.max_map_count", "net.core.*"], ["net.core.*"]),
        (["net..core*"], []),
        (["net*"], []),
        (["kernel.shm*", "kernel.msgmax", "kernel.sem", "fs.mqueue.*", "net/ipv4/conf/eth0.1/x", "net.*"], None),
    ],
)
def test_sysctls_that_are_no_pod_s_own_are_left_out(written: list[str], kept: list[str] | None) -> None:
    checked = check(document(f"allowed-unsafe-sysctls = {json.dumps(written)}"))
    expected = written if kept is None else kept
    assert checked.settings is not None
    assert checked.settings.kubernetes.allowed_unsafe_sysctls == tuple(expected)
    assert checked.accepted["kubernetes"]["allowed-unsafe-sysctls"] == expected
    assert len(checked.verdicts) == (kept is not None)


def test_the_first_taint_of_an_effect_counts() -> None:
    checked = check(document('node-taints.a = ["x:NoSchedule", "z:NoExecute", "y:NoSchedule"]'))
    assert checked.settings is not None
    assert checked.settings.kubernetes.node_taints == {"a": (Taint("x", "NoSchedule"), Taint("z", "NoExecute"))}
    assert checked.accepted["kubernetes"]["node-taints"] == {"a": ["x:NoSchedule", "z:NoExecute"]}
    assert "the same effect stands twice" in checked.verdicts[0].message


def test_a_bad_taint_of_a_list_costs_itself_only() -> None:
    checked = check(document('node-taints.a = ["x:Schedule", ":NoExecute", "y:NoSchedule", "z:NoSchedule"]'))
    assert checked.settings is not None
    assert checked.settings.kubernetes.node_taints == {"a": (Taint("", "NoExecute"), Taint("y", "NoSchedule"))}
    assert checked.accepted["kubernetes"]["node-taints"] == {"a": [":NoExecute", "y:NoSchedule"]}
    (only,) = checked.verdicts
    assert "'x:Schedule' is refused: must be \"value:Effect\"" in only.message


@pytest.mark.parametrize(
    "url",
    ["http://user:pa$s@proxy:3128", "http://user:pa's@proxy:3128", "http://user:a!&()*+,;=b@proxy:3128",
     "http://user:12%23ss@proxy:3128"],
)  # fmt: skip
def test_a_proxy_may_have_any_password_that_a_url_can_hold(url: str) -> None:
    settings = accepted(document(rest=f'[settings.network]\nhttps-proxy = "{url}"'))
    assert settings.network.https_proxy == url.replace("'", "%27")


@pytest.mark.parametrize(
    "url",
    ["http://user:12#ss@proxy:3128", "http://user:1?ss@proxy:3128", "http://pro$xy:3128", "http://proxy:3128/#",
     "http://u:a b@proxy", 'http://u:a\\"b@proxy', "http://u:a`b@proxy"],
)  # fmt: skip
def test_what_would_not_be_the_proxy_that_is_meant_is_refused(url: str) -> None:
    found = verdict(document(rest=f'[settings.network]\nhttps-proxy = "{url}"'))
    assert (found.path, found.level) == ("settings.network.https-proxy", "warning")
    assert url not in found.message


@pytest.mark.parametrize(
    "host", [".gr7.us-west-2.eks.amazonaws.com", "a..b", f"{'A' * 64}.gr7.example", "a." * 130 + "b"]
)
def test_a_host_that_no_name_can_be_is_refused_in_every_url(host: str) -> None:
    said = "a URL whose host has 1 to 63 characters between its dots"
    found = verdict(document().replace(API_SERVER, f"https://{host}"))
    assert (found.path, found.level) == ("settings.kubernetes.api-server", "error")
    assert said in found.message
    for rest in (
        f'[settings.network]\nhttps-proxy = "http://u:hunter2@{host}:3128"',
        f'[[settings.container-registry.mirrors]]\nregistry = "*"\nendpoint = ["https://{host}"]',
    ):
        found = verdict(document(rest=rest))
        assert found.level == "warning"
        assert said in found.message
        assert "hunter2" not in found.message


def test_a_bad_entry_of_no_proxy_costs_itself_only() -> None:
    checked = check(document(rest='[settings.network]\nno-proxy = ["10.0.0.0/8", ".foo bar", " x "]'))
    assert checked.settings is not None
    assert checked.settings.network.no_proxy == ("10.0.0.0/8", "x")
    assert checked.accepted["network"]["no-proxy"] == ["10.0.0.0/8", "x"]
    (only,) = checked.verdicts
    assert "'.foo bar' is refused" in only.message


@pytest.mark.parametrize(
    ("table", "path", "said"),
    [
        ("kubelet = {A = true}", "kubelet.A", "true, false and fractions need quotes"),
        ('kubelet = {"1A" = "x"}', "kubelet.1A", "the name of a variable"),
        ('kubelet = {HTTP_PROXY = "x"}', "kubelet.HTTP_PROXY", "would catch metadata"),
        ('".service" = {A = "x"}', '".service"', "the name of a systemd service"),
        ('"a@" = {A = "x"}', '"a@"', "the name of a systemd service"),
        ('"a@.service" = {A = "x"}', '"a@.service"', "the name of a systemd service"),
    ],
)
def test_variables_of_services_are_refused_for_what_they_are(table: str, path: str, said: str) -> None:
    found = verdict(document(rest=f"[settings.environment]\n{table}"))
    assert found.path == f"settings.environment.{path}"
    assert said in found.message


def test_a_variable_may_be_a_number() -> None:
    settings = accepted(document(rest="[settings.environment]\nkubelet = {A = 1}"))
    assert settings.environment == {"kubelet": {"A": "1"}}


@pytest.mark.parametrize("name", ["kernel.hostname", "kernel/hostname"])
def test_the_host_name_is_no_sysctl_of_the_user_s(name: str) -> None:
    found = verdict(document(rest=f'[settings.kernel.sysctl]\n"{name}" = "x"'))
    assert "settings.network.hostname is the host name" in found.message


@pytest.mark.parametrize(
    ("rest", "path", "said"),
    [
        ('[settings.kubelet]\nflags = ["--network-plugin=cni"]', "kubelet.flags", "kubelet 1.36 does not have it"),
        ('[settings.kubelet]\nflags = ["--max-open-files"]', "kubelet.flags", "kubelet takes an integer for it"),
        ('[settings.kubelet]\nflags = ["--runonce"]', "kubelet.flags", "kubelet does nothing else with it"),
        ("[settings.containerd.config]\nversion = 3", "containerd.config", "reads version 2"),
        ('[settings.kernel.sysctl]\n"vm.overcommit_memory" = "0"', 'kernel.sysctl."vm.overcommit_memory"',
         "kubelet does not start unless it is 1"),
        ('[settings.bootstrap-commands.x]\ncommands = [["reboot"]]\nmode = "always"', "bootstrap-commands.x.commands",
         "is not run"),
    ],
)  # fmt: skip
def test_what_is_left_out_on_any_machine_is_said_without_one(rest: str, path: str, said: str) -> None:
    found = verdict(document(rest=rest))
    assert (found.path, found.level) == (f"settings.{path}", "warning")
    assert said in found.message
