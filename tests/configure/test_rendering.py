"""What settings come to in the files, rule by rule; `test_golden.py` has whole trees."""

import json
import re
from datetime import UTC, datetime
from urllib.parse import unquote

import pytest
from configure.samples import FACTS, PEM, accepted, base64_of, check, document

from agent import proxies
from agent.configure import certificates, diff, fitting, kubelet, naming, proxy, render, report, reserves, trust
from agent.configure.facts import Facts
from agent.model import FileSpec
from agent.redaction import redact

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def pki(**bundles: tuple[str, bool]) -> str:
    return "\n".join(
        f'[settings.pki.{name}]\ndata = "{base64_of(pem)}"\ntrusted = {str(trusted).lower()}'
        for name, (pem, trusted) in bundles.items()
    )


def store(text: str, public: str | None) -> str:
    return "".join(spec.content.decode() for spec in trust.files(accepted(text), public))


def facts(**changes: object) -> Facts:
    values = {name: getattr(FACTS, name) for name in Facts.__slots__} | changes
    return Facts(**values)


# As both Bottlerocket and nodeadm compute them.
@pytest.mark.parametrize(
    ("cpus", "millicores"), [(1, 60), (2, 70), (3, 75), (4, 80), (5, 82), (6, 85), (8, 90), (47, 187), (48, 190)]
)
def test_cpu_reserve(cpus: int, millicores: int) -> None:
    assert reserves.cpu_millicores(cpus) == millicores


@pytest.mark.parametrize(("pods", "mib"), [(58, 893), (110, 1465), (29, 574)])
def test_memory_reserve(pods: int, mib: int) -> None:
    assert reserves.memory_mib(pods, 1 << 20) == mib


@pytest.mark.parametrize(("memory", "mib"), [(1024, 512), (512, 0), (400, 0)])
def test_memory_reserve_leaves_room_for_pods_on_a_small_machine(memory: int, mib: int) -> None:
    assert reserves.memory_mib(110, memory) == mib


@pytest.mark.parametrize(("mib", "reserved"), [(None, "1Gi"), (20480, "1Gi"), (2048, "1Gi"), (981, "490Mi")])
def test_storage_reserve_leaves_room_where_var_is_in_memory(mib: int | None, reserved: str) -> None:
    found = reserves.kube_reserved(accepted(document()), facts(storage_mib=mib))
    assert found["ephemeral-storage"] == reserved


@pytest.mark.parametrize(
    "wish",
    [
        '[settings.local-storage]\nstrategy = "RAID0"\n',
        '[settings.bootstrap-commands.a]\nmode = "always"\ncommands = [["apiclient", "ephemeral-storage", "init"],'
        ' ["apiclient", "ephemeral-storage", "bind"]]\n',
    ],
    ids=["NodeConfig", "Karpenter"],
)
def test_the_size_of_var_says_nothing_where_kubelet_moves_to_the_instance_store(wish: str) -> None:
    text = 'kube-reserved = {ephemeral-storage = "50Gi"}\neviction-hard."nodefs.available" = "30Gi"'
    here = facts(storage_mib=20 * 1024)
    assert fitting.remarks(accepted(document(text, wish)), here) == ()
    found = kubelet.config(accepted(document(text, wish)), here)
    assert found["kubeReserved"]["ephemeral-storage"] == "50Gi"
    assert found["evictionHard"]["nodefs.available"] == "30Gi"
    found = kubelet.config(accepted(document('system-reserved.ephemeral-storage = "30Gi"', wish)), here)
    assert found["kubeReserved"]["ephemeral-storage"] == "1Gi"


@pytest.mark.parametrize(
    "wish",
    [
        "",
        '[settings.local-storage]\nstrategy = "Mount"\n',
        '[settings.bootstrap-commands.a]\nmode = "always"\ncommands = [["apiclient", "ephemeral-storage", "init"],'
        ' ["apiclient", "ephemeral-storage", "bind", "--dirs", "/var/lib/containerd"]]\n',
    ],
    ids=["none", "disks by themselves", "containerd only"],
)
def test_the_size_of_var_counts_where_kubelet_stays(wish: str) -> None:
    settings = accepted(document('kube-reserved = {ephemeral-storage = "50Gi"}', wish))
    (remark,) = fitting.remarks(settings, facts(storage_mib=20 * 1024))
    assert remark.path == "settings.kubernetes.kube-reserved.ephemeral-storage"


def test_flags_have_the_order_of_their_names_and_no_empty_ones() -> None:
    (flags,) = (spec for spec in kubelet.files(accepted(document()), FACTS) if spec.path.endswith("flags.env"))
    names = re.findall(r"--([a-z-]+)=", flags.content.decode())
    assert names == sorted(names)
    assert "node-labels" not in names


@pytest.mark.parametrize(
    ("dhcp", "name"),
    [
        ("ip-10-0-0-20.us-west-2.compute.internal", "ip-10-0-0-20.us-west-2.compute.internal"),
        ("IP-10-0-0-20.Example.COM.", "ip-10-0-0-20.example.com"),
        ("one.example.com two.example.com", "one.example.com"),
        (None, "i-0123456789abcdef0"),
        ("", "i-0123456789abcdef0"),
        ("under_score", "i-0123456789abcdef0"),
        ("a" * 63 + ".example.com", "i-0123456789abcdef0"),
    ],
)
def test_the_host_name_comes_from_dhcp_or_is_the_instance_id(dhcp: str | None, name: str) -> None:
    assert naming.host_name(accepted(document()), facts(local_hostname=dhcp)) == name


def test_a_host_name_that_was_set_wins() -> None:
    settings = accepted(document(rest='[settings.network]\nhostname = "worker"'))
    assert naming.host_name(settings, FACTS) == "worker"


@pytest.mark.parametrize(("networks", "dns"), [(("10.1.0.0/16",), "172.20.0.10"), (("192.168.0.0/16",), "10.100.0.10")])
def test_cluster_dns_is_assumed_from_the_vpc_and_said(networks: tuple[str, ...], dns: str) -> None:
    settings, here = accepted(document()), facts(vpc_networks=networks, public_bundle="")
    assert naming.cluster_dns(settings, here) == [dns]
    (remark,) = render.remarks_of_facts(settings, here, NOW)
    assert (remark.path, remark.level) == ("settings.kubernetes.cluster-dns-ip", "warning")


@pytest.mark.parametrize(
    ("cidr", "dns"), [("10.100.0.0/28", "10.100.0.10"), ("10.100.3.4/16", "10.100.0.10"), ("fd00::1/108", "fd00::a")]
)
def test_cluster_dns_is_the_tenth_address_of_the_services(cidr: str, dns: str) -> None:
    assert naming.cluster_dns(accepted(document(f'service-cidr = "{cidr}"')), FACTS) == [dns]


@pytest.mark.parametrize(("dns", "address"), [("172.20.0.10", "10.0.0.20"), ("fd00::a", "2600:1f14::20")])
def test_the_node_address_is_of_the_family_of_services(dns: str, address: str) -> None:
    assert naming.node_ip(accepted(document(f'cluster-dns-ip = "{dns}"')), FACTS) == address


def test_without_a_proxy_the_file_is_there_and_empty_valued() -> None:
    (spec,) = proxy.files(accepted(document()), FACTS)
    assert spec.content == b"HTTPS_PROXY=\nhttps_proxy=\nNO_PROXY=\nno_proxy=\n"
    assert spec.mode == 0o644


@pytest.mark.parametrize("password", ["pa$s", "pa's", "$HOME", "'", "a%23b", "a!&()*+,;=b"])
def test_the_agent_reads_back_the_password_that_systemd_reads(password: str) -> None:
    """In an environment file systemd takes `$` as it is (systemd.exec(5), EnvironmentFile=)."""
    text = document(rest=f'[settings.network]\nhttps-proxy = "http://user:{password}@proxy:3128"')
    (spec,) = proxy.files(accepted(text), FACTS)
    written = password.replace("'", "%27")
    assert f"HTTPS_PROXY=http://user:{written}@proxy:3128\n" in spec.content.decode()
    found = proxies.parse(spec.content.decode()).before("example.com", 443)
    assert found == proxies.Proxy("proxy", 3128, f"Basic {base64_of(f'user:{unquote(password)}')}")
    for said in (report.as_text(check(text)), report.as_json(check(text)), redact(spec.content.decode())):
        assert "user:" not in said


@pytest.mark.parametrize(
    ("entry", "forms", "hosts"),
    [
        ("[2001:DB8::10]", ["[2001:db8::10]", "2001:db8::10"], ["2001:db8::10"]),
        ("2001:db8:0::5", ["2001:db8:0::5", "2001:db8::5", "[2001:db8::5]"], ["2001:db8::5"]),
        ("*.Corp.example", ["*.corp.example", ".corp.example"], ["a.corp.example"]),
        ("[2001:db8::10]:443", ["[2001:db8::10]:443"], ["2001:db8::10"]),
        ("*.corp.example:443", ["*.corp.example:443", ".corp.example:443"], ["a.corp.example"]),
        ("10.9.8.7", ["10.9.8.7"], ["10.9.8.7"]),
        ("10.9.0.0/16", ["10.9.0.0/16"], ["10.9.8.7"]),
    ],
)
def test_an_entry_of_no_proxy_is_written_in_every_form_that_is_read(
    entry: str, forms: list[str], hosts: list[str]
) -> None:
    text = document(rest=f'[settings.network]\nhttps-proxy = "http://p:1"\nno-proxy = ["{entry}"]')
    written = proxy.no_proxy(accepted(text), FACTS)
    assert written[: len(forms) + 1] == [*forms, "localhost"]
    (spec,) = proxy.files(accepted(text), FACTS)
    ours = proxies.parse(spec.content.decode())
    assert [host for host in hosts if ours.before(host, 443)] == []


def test_a_star_is_all_there_is_to_say() -> None:
    settings = accepted(document(rest='[settings.network]\nhttps-proxy = "http://p:1"\nno-proxy = ["a", "*"]'))
    assert proxy.no_proxy(settings, FACTS) == ["*"]


def test_the_store_is_the_image_s_bundle_and_the_trusted_ones_by_name_without_repetition() -> None:
    text = document(rest=pki(b=(PEM["leaf"], True), a=(PEM["corporate"], True), c=(PEM["corporate"], True)))
    assert store(text, "# public\n") == "# public\n" + PEM["corporate"] + PEM["leaf"]


def test_distrust_wins_and_does_not_depend_on_how_the_certificate_is_written() -> None:
    public = PEM["corporate"].replace("\n", "\r\n") + PEM["leaf"]
    text = document(rest=pki(bad=(PEM["corporate"], False), good=(PEM["corporate"] + PEM["expired"], True)))
    assert store(text, public) == PEM["leaf"] + PEM["expired"]


def test_no_certificate_at_all_leaves_the_store_alone() -> None:
    assert trust.files(accepted(document()), None) == []


def test_the_cluster_s_ca_is_in_the_store_of_nobody_but_kubelet() -> None:
    assert store(document(), "# public\n") == "# public\n"


@pytest.mark.parametrize(
    ("name", "said"), [("leaf", "is no CA certificate"), ("expired", "expired on 2011-01-01"), ("corporate", None)]
)
def test_odd_certificates_are_used_and_remarked(name: str, said: str | None) -> None:
    settings = accepted(document(rest=pki(a=(PEM[name], True))))
    remarks = [remark.message for remark in trust.remarks(settings, "", NOW)]
    assert remarks == ([f"certificate 1 {said}; it is used all the same"] if said else [])
    assert PEM[name] in trust.files(settings, "")[0].content.decode()


def test_a_bundle_that_distrusts_nothing_may_be_meant_to_be_trusted() -> None:
    bundles = pki(known=(PEM["leaf"], False), twice=(PEM["kubernetes"], False), unknown=(PEM["corporate"], False))
    settings = accepted(document(rest=f"{bundles}\n" + pki(good=(PEM["kubernetes"], True))))
    (remark,) = (each for each in trust.remarks(settings, PEM["leaf"], NOW) if each.path.endswith("trusted"))
    assert (remark.path, remark.level) == ("settings.pki.unknown.trusted", "warning")
    assert "say trusted = true" in remark.message


def test_a_certificate_of_the_future_may_be_a_wrong_clock() -> None:
    settings = accepted(document(rest=pki(a=(PEM["corporate"], True))))
    (remark,) = trust.remarks(settings, "", datetime(2024, 1, 1, tzinfo=UTC))
    assert "not valid before 2025-01-01, or the clock is wrong" in remark.message


@pytest.mark.parametrize(
    ("changed", "units"),
    [
        (set(), ()),
        ({"/etc/hostname"}, ()),
        ({"/etc/kubernetes/kubelet/config.json"}, ("kubelet.service",)),
        ({"/etc/network/proxy.env"}, ("containerd.service", "kubelet.service")),
        ({"/etc/ssl/certs/ca-certificates.crt"}, ("containerd.service", "kubelet.service")),
    ],
)
def test_only_what_reads_a_changed_file_starts_anew(changed: set[str], units: tuple[str, ...]) -> None:
    assert render.restarts(frozenset(changed)) == units


def test_a_unit_that_the_image_lacks_is_not_restarted() -> None:
    states = {"chronyd.service": "not-found", "kubelet.service": "loaded", "ntpd.service": "masked"}
    assert render.on_this_image([*states, "x.service"], states) == ("kubelet.service", "x.service")


def test_the_diff_shows_new_changed_and_stale_files_without_secrets() -> None:
    wanted = [
        FileSpec("/new", b"one\n"),
        FileSpec("/same", b"x\n"),
        FileSpec("/p", b"HTTPS_PROXY=http://u:hunter2@h\n"),
    ]
    text = diff.unified(wanted, ["/stale"], {"/same": b"x\n", "/stale": b"gone", "/p": b"\n"})
    assert "hunter2" not in text
    assert text.split("\n") == [
        "--- /dev/null",
        "+++ /new",
        "@@ -0,0 +1 @@",
        "+one",
        "--- /p",
        "+++ /p",
        "@@ -1 +1 @@",
        "-",
        "+HTTPS_PROXY=http://<redacted>@h",
        "--- /stale",
        "+++ /dev/null",
        "",
    ]


def test_the_diff_shows_which_variables_a_service_has_and_no_value() -> None:
    text = diff.unified([FileSpec("/etc/systemd/environment/kubelet.env", b'A="1"\nB="x"\n')], [], {})
    assert text.splitlines()[-2:] == ["+A=<redacted>", "+B=<redacted>"]


def test_the_diff_says_of_secret_files_only_that_they_change() -> None:
    variables = "/etc/systemd/environment/kubelet.env"
    wanted = [
        FileSpec("/pod", b"new", secret=True),
        FileSpec("/same", b"same", secret=True),
        FileSpec(variables, b'A="2"\n'),
    ]
    text = diff.unified(wanted, [], {"/pod": b"old", "/same": b"same", variables: b'A="1"\n'})
    assert text.splitlines() == [
        f"--- {variables}",
        f"+++ {variables}",
        "changed, content not shown",
        "--- /pod",
        "+++ /pod",
        "changed, content not shown",
    ]


def test_kubeconfig_names_the_cluster_and_the_node() -> None:
    (spec,) = (spec for spec in kubelet.files(accepted(document()), FACTS) if spec.path.endswith("kubeconfig"))
    body = json.loads(spec.content)
    assert body["current-context"] == "system:node:i-0123456789abcdef0@demo"
    assert body["users"][0]["user"]["exec"]["args"] == ["token", "--cluster", "demo"]


def test_every_certificate_of_the_cluster_s_ca_is_written() -> None:
    text = document().replace(base64_of(PEM["kubernetes"]), base64_of(PEM["kubernetes"] + PEM["corporate"]))
    (spec,) = (spec for spec in kubelet.files(accepted(text), FACTS) if spec.path == kubelet.AUTHORITY)
    assert certificates.blocks(spec.content.decode()) == [
        certificate.der for certificate in certificates.read(PEM["kubernetes"] + PEM["corporate"])
    ]
