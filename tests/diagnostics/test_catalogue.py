import fnmatch
import json

from agent.diagnostics import catalogue, listing
from agent.diagnostics.api import CATEGORIES
from agent.outputs import Commands, Keep, Output, PerItem, Tree

# What the peer's collector puts into a bundle of an Auto Mode node, by path in the archive.
PEER = """
var_log/syslog var_log/messages var_log/aws-routed-eni/ var_log/cron var_log/cloud-init.log
var_log/cloud-init-output.log var_log/kube-proxy.log var_log/kube-system_aws-node*/
var_log/kube-system_cni-metrics-helper*/ var_log/kube-system_coredns*/ var_log/kube-system_kube-proxy*/
var_log/kube-system_ebs-csi-*/ var_log/kube-system_efs-csi-*/ var_log/kube-system_fsx-csi-*/
var_log/kube-system_fsx-openzfs-csi-*/ var_log/kube-system_file-cache-csi-*/
var_log/kube-system_eks-pod-identity-agent*/ system/instance-id.txt system/region.txt
system/availability-zone.txt cni/ ipamd/enis.json ipamd/pods.json ipamd/networkutils-env-settings.json
ipamd/ipamd-env-settings.json ipamd/eni-configs.json ipamd/metrics.json ipamd/ipam.json
cni/cni-configuration-variables-containerd.json networking/iptables-mangle.txt networking/iptables-filter.txt
networking/iptables-nat.txt networking/ip6tables-mangle.txt networking/ip6tables-filter.txt
networking/ip6tables-nat.txt networking/iptables.txt networking/ip6tables.txt networking/iptables-save.txt
networking/ip6tables-save.txt networking/configure-multicard-interfaces.txt networking/resolv.conf
networking/conntrack.txt networking/conntrack6.txt networking/ethtool.txt networking/iprule.txt
networking/ip6rule.txt networking/iproute.txt networking/ip6route.txt networking/get_api_server.txt
networking/systemd-network/* networking/nftables-*.txt networking/ebpf-data.txt networking/ebpf-maps-data.txt
networking/CheckMacAddressPolicy.log
containerd/containerd.*.stacks.log containerd/containerd-config.txt containerd/containerd-log.txt
containerd/containerd-version.txt containerd/containerd-namespaces.txt containerd/containerd-images.txt
containerd/containerd-containers.txt containerd/containerd-tasks.txt containerd/containerd-plugins.txt
kubelet/kubelet.log kubelet/kubelet_service.txt kubelet/config.json kubelet/config.json.d/
kubelet/kubeconfig.yaml nodeadm/nodeadm-config.log nodeadm/nodeadm-run.log sandbox-image/sandbox-image-log.txt
storage/mounts.txt storage/inodes.txt storage/lsblk.txt storage/xfs.txt storage/pod_local_storage.txt
kernel/dmesg.boot kernel/dmesg.current kernel/dmesg.human.current kernel/uname.txt modinfo/lustre
automode/eks-healthchecker.txt automode/kube-proxy.txt automode/coredns-boostrap.txt automode/coredns.txt
automode/eks-ebs-csi-driver.txt automode/eks-node-monitoring-agent.txt automode/eks-pod-identity-agent.txt
system/top.txt system/services.txt system/systemd-analyze.svg system/ps.txt system/ps-threads.txt
system/procstat.txt system/allprocstat.txt sysctls/sysctl_all.txt bottlerocket/application-inventory.json
bottlerocket/logdog/command-output.log bottlerocket/logdog/bottlerocket-logs.tar.gz system/io_throttling.txt
system/cpu_throttling.txt system/pressure_cpu.txt system/pressure_memory.txt system/pressure_io.txt
pstore/sys_fs_pstore/ pstore/systemd_pstore/
"""


def path_of(output: Output) -> str:
    pods = isinstance(output.source, Tree) and output.source.pattern.startswith("/var/log/pods/")
    return output.path + output.source.pattern.rpartition("/")[2] + "/" if pods else output.path


def test_nothing_that_the_peer_collects_is_missing() -> None:
    assert [path for path in PEER.split() if path not in set(map(path_of, catalogue.OUTPUTS))] == []


def test_categories_are_isolated_and_in_order() -> None:
    names = [output.category for output in catalogue.select(("System", "Base"))]
    assert set(names) == {"Base", "System"}
    assert names == sorted(names)
    for category in CATEGORIES:
        assert {output.category for output in catalogue.select((category,))} == {category}
    assert catalogue.select(()) == []


def test_an_output_of_two_categories_is_taken_once() -> None:
    everything = catalogue.select(CATEGORIES)
    keys = [(output.path, str(output.source)) for output in everything]
    assert len(keys) == len(set(keys))
    assert len(everything) < len(catalogue.OUTPUTS)


def test_no_two_outputs_write_the_same_file() -> None:
    # A folder takes the files of several sources.
    paths = [path_of(output) for output in catalogue.select(CATEGORIES) if not output.path.endswith("/")]
    assert sorted({path for path in paths if paths.count(path) > 1}) == []
    assert not [path for path in paths if fnmatch.fnmatch(path, "/*") or ".." in path]


def test_logs_keep_their_end() -> None:
    logs = [each for each in catalogue.OUTPUTS if "journalctl" in str(each.source) or each.path.startswith("var_log/")]
    assert logs
    assert {output.keep for output in logs} == {Keep.TAIL}


def test_a_journal_that_takes_too_long_still_has_its_newest_lines() -> None:
    journals = [each for each in catalogue.OUTPUTS if str(each.source).startswith("journalctl ")]
    assert len(journals) >= 15
    for output in journals:
        assert isinstance(output.source, Commands)
        (argv,), late = output.source.argvs, output.source.late
        assert output.source.timeout + 30 <= output.seconds
        # Of the same units; systemd before 254 would count the lines from --since on.
        assert late[:-1] == tuple(word for word in argv if not word.startswith("--since"))
        assert late[-1].startswith("--lines=")


def test_every_command_has_a_time_limit_and_no_shell() -> None:
    for output in catalogue.OUTPUTS:
        assert 0 < output.seconds <= 900
        source = output.source.listing if isinstance(output.source, PerItem) else output.source
        if isinstance(source, Commands):
            assert 0 < source.timeout <= output.seconds
            assert {argv[0] for argv in source.argvs}.isdisjoint({"sh", "bash"})


def test_no_command_leaves_an_archive_of_its_own_on_the_node() -> None:
    assert "logdog" not in {str(output.source).split()[0] for output in catalogue.OUTPUTS}


def test_user_data_and_credentials_are_no_source() -> None:
    sources = " ".join(str(output.source) for output in catalogue.OUTPUTS)
    for never in ("user-data", "security-credentials", "environ", "/etc/shadow", "id_rsa"):
        assert never not in sources


def test_the_catalogue_is_printed_for_people_and_for_programs() -> None:
    rows = json.loads(listing.as_json())["outputs"]
    assert [row["path"] for row in rows] == [output.path for output in catalogue.OUTPUTS]
    assert "  storage/mounts.txt " in listing.as_text()
    assert listing.as_text().startswith("Base\n")
    row = "| `storage/mounts.txt` | `mount; df --human-readable` | first 1024 MiB, 120 s | such a file is there |"
    assert row in listing.as_markdown().splitlines()


def test_each_line_says_its_limits_when_there_is_something_and_what_is_kept_out() -> None:
    rows = {row["path"]: row for row in json.loads(listing.as_json())["outputs"]}
    assert all(row["when"] and row["redaction"] for row in rows.values())
    kubelet = rows["kubelet/kubelet.log"]
    assert (kubelet["keep"], kubelet["limit"], kubelet["seconds"]) == ("tail", 1 << 30, 180)
    assert (kubelet["when"], kubelet["redaction"]) == ("such a unit has logged", "secrets are cut")
    assert rows["pstore/sys_fs_pstore/"]["when"] == "pstore is mounted and a kernel left something there"
    assert rows["cri/pods.txt"]["when"] == "crictl or ctr is installed"
    assert rows["ipamd/enis.json"]["when"] == "something listens there"
    assert rows["storage/xfs.txt"]["when"] == "XFS is mounted"
    assert rows["networking/ethtool.txt"]["when"] == "such a file is there"
    assert rows["bottlerocket/logdog/command-output.log"]["when"].startswith("never: logdog's archive")
    assert rows["system/imds-tree.json"]["redaction"].startswith("credentials and user data are never read")
    lines = {line.split()[0]: line for line in listing.as_text().splitlines() if line.startswith("  ")}
    assert "  last 1024 MiB, 180 s " in lines["kubelet/kubelet.log"]
    assert lines["kubelet/kubelet.log"].endswith("  (such a unit has logged)")
    assert "(IMDS answers; credentials and user data are never read" in lines["system/imds-tree.json"]
    assert lines.keys() == rows.keys()
