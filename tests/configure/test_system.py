"""What the host itself reads, and what goes to containerd and to kubelet's helpers; whole trees are golden."""

import json
import tomllib
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from configure.samples import FACTS, accepted, document

from agent.configure import containerd, flags, instance_store, naming, oci, providers, proxy, registries, render, system
from agent.configure.facts import Facts
from agent.configure.settings import Settings
from agent.model import FileSpec

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ECR = "ecr-credential-provider"


def with_providers(*names: str) -> Facts:
    return Facts(FACTS.instance, 2, 7800, providers=frozenset(names), public_bundle="")


def text_of(specs: list[FileSpec], end: str) -> str:
    (spec,) = (spec for spec in specs if spec.path.endswith(end))
    return spec.content.decode()


def remarked(settings: Settings, facts: Facts = FACTS) -> dict[str, str]:
    found = (*render.remarks_of_settings(settings), *render.remarks_of_facts(settings, facts, NOW))
    return {remark.path: remark.message for remark in found}


def commands(*each: str, name: str = "000-mount", mode: str = "always") -> str:
    listed = [command.split() for command in each]
    return f"[settings.bootstrap-commands.{name}]\ncommands = {json.dumps(listed)}\nmode = {json.dumps(mode)}\n"


def test_variables_of_a_service_are_quoted_as_systemd_reads_them() -> None:
    settings = accepted(
        document(rest="[settings.environment]\ndefault = { TZ = 'UTC' }\nkubelet = { A = 'x \"y\" \\ $z `w`' }")
    )
    specs = system.files(settings, FACTS)
    assert text_of(specs, "/kubelet.env") == 'A="x \\"y\\" \\\\ \\$z \\`w\\`"\nTZ="UTC"\n'
    assert text_of(specs, "/containerd.env") == 'TZ="UTC"\n'
    drop_in = text_of(specs, "kubelet.service.d/50-node-agent-environment.conf")
    assert drop_in == "[Service]\nEnvironmentFile=-/etc/systemd/environment/kubelet.env\n"
    assert {spec.mode for spec in specs if spec.path.endswith(".env")} == {0o600}


def test_a_named_service_may_have_its_suffix() -> None:
    settings = accepted(document(rest="[settings.environment]\n'chronyd.service' = { A = 'b' }"))
    assert text_of(system.files(settings, FACTS), "chronyd.service.d/50-node-agent-environment.conf")


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("net.core.somaxconn", "net.core.somaxconn"),
        ("net/core/somaxconn", "net.core.somaxconn"),
        ("net/ipv4/conf/eth0.1/rp_filter", "net.ipv4.conf.eth0/1.rp_filter"),
        ("net.ipv4.conf.eth0/1.rp_filter", "net.ipv4.conf.eth0/1.rp_filter"),
    ],
)
def test_a_sysctl_has_one_name_however_it_is_written(written: str, kept: str) -> None:
    assert system.own_sysctls(accepted(document(rest=f"[settings.kernel.sysctl]\n'{written}' = '1'"))) == {kept: "1"}


def test_a_sysctl_that_kubelet_needs_keeps_its_value_and_the_user_is_told() -> None:
    settings = accepted(document(rest="[settings.kernel.sysctl]\n'vm/overcommit_memory' = '2'\n'kernel.panic' = '10'"))
    assert system.own_sysctls(settings) == {}
    assert "vm.overcommit_memory = 1\n" in text_of(system.files(settings, FACTS), "/90-node-agent.conf")
    found = remarked(settings, with_providers())
    assert "does not start unless it is 1" in found['settings.kernel.sysctl."vm/overcommit_memory"']
    assert not any("panic" in path for path in found)


@pytest.mark.parametrize(
    ("services", "dns"),
    [("10.96.0.0/20", "10.96.0.10"), ("192.168.128.0/17", "192.168.128.10"), ("fd12::/108", "fd12::a")],
)
def test_cluster_dns_is_the_tenth_address_of_the_services(services: str, dns: str) -> None:
    settings = accepted(document(f'service-cidr = "{services}"'))
    assert naming.cluster_dns(settings, FACTS) == [dns]
    assert naming.service_networks(settings, FACTS) == [services]
    assert naming.is_ipv6(settings) is (":" in dns)
    assert not naming.needs_vpc_networks(settings)


@pytest.mark.parametrize(
    ("dns", "network"),
    [("172.20.0.10", "172.20.0.0/16"), ("10.96.7.10", "10.96.7.0/24"), ("fd5a:1::a", "fd5a:1::/108")],
)
def test_services_are_around_their_dns_where_nothing_else_tells(dns: str, network: str) -> None:
    settings = accepted(document(f'cluster-dns-ip = "{dns}"'))
    assert naming.service_networks(settings, FACTS) == [network]


@pytest.mark.parametrize(
    ("lines", "networks", "services"),
    [
        ('cluster-dns-ip = "169.254.20.10"', ("10.0.0.0/16",), ["172.20.0.0/16"]),
        ('cluster-dns-ip = "169.254.20.10"', ("192.168.0.0/16",), ["10.100.0.0/16"]),
        ('cluster-dns-ip = ["169.254.20.10", "10.96.7.10"]', ("10.0.0.0/16",), ["10.96.7.0/24"]),
        ('cluster-dns-ip = "169.254.20.10"\nservice-cidr = "10.96.0.0/20"', ("10.0.0.0/16",), ["10.96.0.0/20"]),
    ],
)
def test_the_address_of_node_local_dns_tells_nothing_of_the_services(
    lines: str, networks: tuple[str, ...], services: list[str]
) -> None:
    settings = accepted(document(lines, '[settings.network]\nhttps-proxy = "http://proxy.example.com:3128"'))
    here = replace(FACTS, vpc_networks=networks, public_bundle="", providers=frozenset({ECR}))
    assert naming.needs_vpc_networks(settings)
    assert naming.service_networks(settings, here) == services
    assert naming.cluster_dns(settings, here)[0] == "169.254.20.10"
    assert "169.254.20.0/24" not in proxy.no_proxy(settings, here)
    assert set(services) <= set(proxy.no_proxy(settings, here))
    is_assumed = "," not in lines and "cidr" not in lines
    assert list(remarked(settings, here)) == (["settings.kubernetes.service-cidr"] if is_assumed else [])


def test_dns_outside_of_the_services_is_remarked_and_used() -> None:
    settings = accepted(document('service-cidr = "10.96.0.0/20"\ncluster-dns-ip = "10.100.0.10"'))
    assert naming.cluster_dns(settings, FACTS) == ["10.100.0.10"]
    assert "not among the services" in remarked(settings, with_providers())["settings.kubernetes.cluster-dns-ip"]


@pytest.mark.parametrize(
    ("lines", "local", "name"),
    [
        ("", "ip-10-0-0-20.ec2.internal", "i-0123456789abcdef0"),
        ('hostname-override-source = "private-dns-name"', "IP-10-0-0-20.ec2.internal", "ip-10-0-0-20.ec2.internal"),
        ('hostname-override-source = "private-dns-name"', "", "i-0123456789abcdef0"),
        ('hostname-override = "worker-7"', "ip-10-0-0-20.ec2.internal", "worker-7"),
    ],
    ids=["instance ID", "DHCP's", "no name", "its own"],
)
def test_the_node_name(lines: str, local: str, name: str) -> None:
    facts = Facts(FACTS.instance, 2, 7800, local_hostname=local)
    assert naming.node_name(accepted(document(lines)), facts) == name


def test_an_ipv6_cluster_on_an_instance_without_ipv6_is_remarked() -> None:
    instance = FACTS.instance.__class__(
        **{
            **{name: getattr(FACTS.instance, name) for name in FACTS.instance.__slots__},
            "ipv6": None,
        }
    )
    settings = accepted(document('service-cidr = "fd12::/108"'))
    assert naming.node_ip(settings, Facts(instance, 2, 7800)) is None
    found = remarked(settings, Facts(instance, 2, 7800, public_bundle=""))
    assert "no IPv6 address" in found["settings.kubernetes.node-ip"]


def test_a_provider_without_its_program_is_left_out_with_a_warning() -> None:
    asked = "\n[settings.kubernetes.credential-providers.{}]\nenabled = true\nimage-patterns = ['registry.example.com']"
    settings = accepted(document(asked.format("other-provider")))
    facts = with_providers(ECR)
    body = json.loads(text_of(providers.files(settings, facts), "config.json"))
    assert [each["name"] for each in body["providers"]] == [ECR]
    assert (
        "is not on this image" in remarked(settings, facts)["settings.kubernetes.credential-providers.other-provider"]
    )
    assert providers.files(settings, with_providers()) == []
    assert providers.flags(settings, with_providers()) == {}
    assert providers.lacks_ecr(settings, with_providers())
    assert not providers.lacks_ecr(settings, facts)


def test_a_provider_may_be_switched_off() -> None:
    settings = accepted(document(f"\n[settings.kubernetes.credential-providers.{ECR}]\nenabled = false"))
    assert providers.files(settings, with_providers(ECR)) == []
    assert not list(providers.remarks(settings, with_providers(ECR)))
    assert not providers.lacks_ecr(settings, with_providers())


def test_removed_flags_are_left_out_and_the_user_is_told() -> None:
    settings = accepted(
        document(rest="[settings.kubelet]\nflags = ['--container-runtime=remote', '--image-service-endpoint=a']")
    )
    assert flags.passed_on(settings) == ["--image-service-endpoint=a"]
    (remark,) = flags.remarks(settings)
    assert "--container-runtime is left out" in remark.message


def test_containerd_s_own_configuration_wins_where_the_image_can_read_it() -> None:
    own = "[settings.containerd.config]\nversion = {}\nplugins.'io.containerd.grpc.v1.cri'.sandbox_image = 'mine'\n"
    second, third = (accepted(document(rest=own.format(version))) for version in (2, 3))
    assert 'sandbox_image = "mine"' in text_of(containerd.files(second), "/config.toml")
    assert "SystemdCgroup = true" in text_of(containerd.files(second), "/config.toml")
    assert 'sandbox_image = "mine"' not in text_of(containerd.files(third), "/config.toml")
    assert "reads version 2, not 3" in remarked(third, with_providers())["settings.containerd.config"]


def test_whoever_may_read_credentials_is_root_alone() -> None:
    known = "[[settings.container-registry.credentials]]\nregistry = 'docker.io'\nusername = 'u'\npassword = 'p'\n"
    (config,) = containerd.files(accepted(document(rest=known)))
    assert config.mode == 0o600
    assert (
        '[plugins."io.containerd.grpc.v1.cri".registry.configs."registry-1.docker.io".auth]' in config.content.decode()
    )


CRI = 'plugins."io.containerd.grpc.v1.cri"'


@pytest.mark.parametrize(
    ("table", "path"),
    [
        ("[settings.containerd.config]\nplugins = 5", "config.plugins"),
        (f"[settings.containerd.config.{CRI}]\nsandbox_image = 5", f"config.{CRI}.sandbox_image"),
        (f"[settings.containerd.config.{CRI}]\ncni = 'x'", f"config.{CRI}.cni"),
        (f"[settings.containerd.config.{CRI}.sandbox_image]\na = 1", f"config.{CRI}.sandbox_image"),
        ("[settings.containerd.base-runtime-spec]\nprocess = 5", "base-runtime-spec.process"),
    ],
)
def test_a_value_of_another_type_does_not_end_containerd(table: str, path: str) -> None:
    settings, plain = accepted(document(rest=table)), accepted(document())
    assert containerd.files(settings)[0].content == containerd.files(plain)[0].content or "spec" in table
    assert containerd.laid_over(oci.SPEC, settings.containerd.base_runtime_spec) == oci.SPEC
    (said,) = containerd.remarks(settings)
    assert (said.path, said.level) == (f"settings.containerd.{path}", "warning")


def test_plug_ins_by_their_names_of_version_3_are_said() -> None:
    table = "[settings.containerd.config.plugins.'io.containerd.cri.v1.images']\nsnapshotter = 'native'"
    (said,) = containerd.remarks(accepted(document(rest=table)))
    assert "a name of version 3: without effect" in said.message


MIRROR = "[[settings.container-registry.mirrors]]\nregistry = 'docker.io'\nendpoint = ['{}']\n"


def test_mirrors_of_one_registry_are_one_file() -> None:
    given = [MIRROR.format(url) for url in ("https://z", "https://a", "https://z")]
    (spec,) = registries.files(accepted(document(rest="".join(given))))
    assert list(tomllib.loads(spec.content.decode())["host"]) == ["https://z", "https://a"]
    assert spec.mode == 0o644


def test_a_mirror_with_a_password_is_read_by_root_alone() -> None:
    (spec,) = registries.files(accepted(document(rest=MIRROR.format("https://u:p@mirror.example.com"))))
    assert spec.mode == 0o600


def test_credentials_that_stand_twice_are_said_and_the_last_ones_count() -> None:
    known = "[[settings.container-registry.credentials]]\nregistry = '{}'\nauth = '{}'\n"
    given = [("registry-1.docker.io", "YTpi"), ("docker.io", "Yzpk")]
    settings = accepted(document(rest="".join(known.format(*each) for each in given)))
    assert registries.credentials(settings) == {"configs": {"registry-1.docker.io": {"auth": {"auth": "Yzpk"}}}}
    (said,) = registries.remarks(settings)
    assert (said.path, said.level) == ("settings.container-registry.credentials", "warning")
    assert "registry-1.docker.io has credentials 2 times" in said.message


def test_a_service_under_both_its_names_keeps_all_its_variables() -> None:
    both = "[settings.environment]\nkubelet = { A = '1', B = '2' }\n'kubelet.service' = { B = '3', C = '4' }\n"
    settings = accepted(document(rest=both))
    assert text_of(system.files(settings, FACTS), "environment/kubelet.env") == 'A="1"\nB="3"\nC="4"\n'
    assert [verdict.path for verdict in system.remarks(settings)] == ["settings.environment.kubelet.B"]


def test_mirrors_keep_their_order_and_a_path_of_their_own() -> None:
    settings = accepted(document(rest="[settings.container-registry.mirrors]\n'*' = ['https://z', 'https://a/v2/hub']"))
    (spec,) = registries.files(settings)
    assert spec.path == "/etc/containerd/certs.d/_default/hosts.toml"
    first, second = spec.content.decode().split("\n\n")
    assert first.startswith('[host."https://z"]')
    assert "override_path" not in first
    assert second.startswith('[host."https://a/v2/hub"]')
    assert "override_path = true" in second


@pytest.mark.parametrize(
    ("lines", "wish"),
    [
        (
            commands("apiclient ephemeral-storage init", "apiclient ephemeral-storage bind"),
            ("RAID0", "/mnt/.ephemeral", "xfs", ["/var/lib/containerd", "/var/lib/kubelet", "/var/log/pods"]),
        ),
        (
            commands(
                "apiclient ephemeral-storage init -t ext4", "apiclient ephemeral-storage bind --dirs /mnt/scratch"
            ),
            ("RAID0", "/mnt/.ephemeral", "ext4", ["/mnt/scratch"]),
        ),
        (commands("apiclient ephemeral-storage init"), ("RAID0", "/mnt/.ephemeral", "xfs", [])),
        (
            "[settings.local-storage]\nstrategy = 'RAID0'\ndisabled-mounts = ['PodLogs']",
            ("RAID0", "/mnt/k8s-disks/0", "xfs", ["/var/lib/containerd", "/var/lib/kubelet"]),
        ),
        ("[settings.local-storage]\nstrategy = 'Mount'\nmount-path = '/mnt/d'", ("Mount", "/mnt/d", "xfs", [])),
    ],
    ids=["Karpenter", "file system and folders", "init alone", "RAID0", "Mount"],
)
def test_the_wish_for_the_instance_store(lines: str, wish: tuple[object, ...]) -> None:
    (spec,) = instance_store.files(accepted(document(rest=lines)))
    body = json.loads(spec.content)
    assert tuple(body[name] for name in ("strategy", "mount", "fileSystem", "binds")) == wish


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (commands("apiclient set motd=x"), "only apiclient ephemeral-storage is"),
        (commands("apiclient ephemeral-storage wipe"), "is not known"),
        (commands("apiclient ephemeral-storage bind"), "without an init before it"),
        (commands("apiclient ephemeral-storage init -t btrfs"), "must be one of xfs, ext4"),
        (
            commands("apiclient ephemeral-storage init", "apiclient ephemeral-storage bind --dirs /etc /mnt/../var"),
            "/etc, /mnt/../var cannot be bound",
        ),
    ],
)
def test_a_command_that_is_not_done_says_why(lines: str, said: str) -> None:
    (remark,) = instance_store.remarks(accepted(document(rest=lines)))
    assert said in remark.message
    assert remark.path == "settings.bootstrap-commands.000-mount.commands"


def test_commands_that_are_off_are_not_read() -> None:
    settings = accepted(document(rest=commands("apiclient ephemeral-storage init", mode="off")))
    assert instance_store.files(settings) == []


@pytest.mark.parametrize(
    ("changed", "units"),
    [
        ({"/etc/containerd/certs.d/docker.io/hosts.toml"}, ()),
        ({"/etc/eks/image-credential-provider/config.json"}, ("kubelet.service",)),
        ({"/var/lib/kubelet/cpu_manager_state"}, ("kubelet.service",)),
        ({"/etc/systemd/timesyncd.conf.d/50-node-agent.conf"}, ("systemd-timesyncd.service",)),
        ({"/etc/systemd/resolved.conf.d/50-node-agent.conf"}, ("systemd-resolved.service",)),
        ({"/etc/systemd/environment/containerd.env"}, ("containerd.service", "kubelet.service")),
        ({"/etc/systemd/environment/chronyd.env"}, ("chronyd.service",)),
        ({"/etc/node-agent/network.json"}, ()),
    ],
)
def test_who_starts_anew(changed: set[str], units: tuple[str, ...]) -> None:
    assert render.restarts(frozenset(changed)) == units


def test_systemd_reads_its_units_again_only_for_units() -> None:
    assert render.needs_reload(frozenset({"/etc/systemd/system/a.service.d/b.conf"}))
    assert not render.needs_reload(frozenset({"/etc/systemd/resolved.conf.d/b.conf"}))
