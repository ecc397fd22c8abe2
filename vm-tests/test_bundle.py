"""A bundle of everything from a real node: each row of the catalogue, and none of the secrets that lie around."""

import io
import json
import re
import tarfile
from collections.abc import Iterator
from fnmatch import fnmatch
from typing import Any

import pytest

import guest
import pods
from agent.diagnostics import catalogue, manifest
from agent.diagnostics.api import CATEGORIES
from agent.outputs import Output, Tree
from diagnostic import delete, request_logs, wait_completed
from world import World
from world.node import Node

pytestmark = pytest.mark.vm
KEY = "all.tar.gz"
POD = ("coredns-0", "kube-system")
OWN = re.compile(r"/(?:etc|run)/node-agent\b")
# Each planted value holds this word, so that one search finds whatever is left of any.
MARK = "PLANTED"
# Where Bottlerocket, the VPC CNI, EKS' own units or a GPU are missing, or nothing went wrong, there is nothing to take.
PRESENT = """
doctor.json node-agent/journal.txt node-agent/status/configure.json node-agent/settings.json
node-agent/etc/console.json system/os-release system/cmdline
system/instance-id.txt system/region.txt system/availability-zone.txt system/imds-tree.json device/nvme.json
cni/* networking/enis.json networking/iptables-filter.txt networking/ip6tables-nat.txt
networking/iptables-save.txt networking/nftables-*.txt networking/resolv.conf networking/conntrack.txt
networking/ethtool.txt networking/iprule.txt networking/ip6rule.txt networking/iproute.txt
networking/ip6route.txt networking/sockets.txt networking/get_api_server.txt networking/systemd-network/*
containerd/containerd-config.txt containerd/containerd-log.txt containerd/containerd-version.txt
containerd/containerd-namespaces.txt containerd/containerd-plugins.txt cri/images.txt kubelet/kubelet.log
kubelet/kubelet_service.txt kubelet/config.json kubelet/kubeconfig.yaml kubelet/healthz.txt
kubelet/cluster-ca.txt storage/mounts.txt storage/inodes.txt storage/lsblk.txt kernel/dmesg.current
kernel/uname.txt system/top.txt system/services.txt system/ps.txt system/ps-threads.txt system/procstat.txt
system/allprocstat.txt sysctls/sysctl_all.txt bottlerocket/application-inventory.json system/io_throttling.txt
system/cpu_throttling.txt system/cgroup_memory.txt system/pressure_memory.txt system/time.txt
system/ca-certificates.txt
"""
SECRETS = f"""
-----BEGIN RSA PRIVATE KEY-----
MII{MARK}
-----END RSA PRIVATE KEY-----
https://b.s3.amazonaws.com/k?X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F{MARK}&X-Amz-Signature={MARK}
https://b.s3.amazonaws.com/k?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature={MARK}&Expires=1
Authorization: Bearer {MARK}.0123456789
authorization: Basic {MARK}0123456789
k8s-aws-v1.{MARK}
http_proxy=http://someone:{MARK}@proxy:3128
aws_secret_access_key = {MARK}
{{"SessionToken": "{MARK}", "password": "two {MARK}"}}
bootstrap-token = "abcdef.{MARK}"
X-aws-ec2-metadata-token: {MARK}
client-key-data: {MARK}
LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0tLQ{MARK}
eyJhbGciOiJSUzI1NiJ9.eyJ{MARK}xx.{MARK}
{{"auths": {{"registry": {{"auth": "{MARK}"}}}}}}
identitytoken = "{MARK}"
"env": ["DB_PASSWORD=some {MARK}"]
{{"name": "API_KEY", "value": "{MARK}"}}
mysqld --password {MARK}
IQoJb3JpZ2luX2VjEAAaCXVz{MARK}
"""


class Bundle:
    """A bundle in memory, by path; `logs` is where the planted logs are in it."""

    def __init__(self, content: bytes, logs: str) -> None:
        self.logs = logs
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
            self.files = {entry.name: archive.extractfile(entry).read() for entry in archive}
        self.rows: list[dict[str, Any]] = json.loads(self.files["manifest.json"])["outputs"]

    def matching(self, pattern: str) -> list[str]:
        return [path for path in self.files if fnmatch(path, pattern)]


@pytest.fixture(scope="module")
def planted(world: World, node: Node) -> Iterator[str]:
    """Give the folder of a container's logs that hold the secrets."""
    pod = pods.place(world, node, *POD)
    folder = f"{pod}/coredns"
    guest.run(
        node,
        f"""set -e
        mkdir -p {folder}
        cat >{folder}/0.log <<'END'
{SECRETS}
END
        gzip -c {folder}/0.log >{folder}/0.log.20261122-150000.gz
        mkfifo {folder}/fifo; ln -s / {folder}/root; ln -s loop {folder}/loop; : >{folder}/empty
        printf 'two\\n' >"$(printf '{folder}/odd\\nname\\377')"
        systemd-cat --identifier=planted echo 'token={MARK}'
        systemd-run --quiet --unit=node-agent-planted sh -c 'echo password={MARK}; sleep 900'
        systemd-run --quiet --unit=planted-arguments sh -c 'sleep 900; : --token={MARK} --password {MARK}'
        sysctl --quiet --write net.ipv6.conf.lo.stable_secret=2001:db8::5ec""",
    )
    yield folder
    guest.run(node, f"rm -r {folder}; systemctl stop planted-arguments node-agent-planted; systemctl reset-failed")
    pods.delete(world, *POD)


@pytest.fixture(scope="module")
def bundle(world: World, node: Node, planted: str) -> Iterator[Bundle]:
    try:
        generation = request_logs(world, node.instance_id, world.presign_put(KEY), categories=["All"])
        completed = wait_completed(world, node.instance_id, generation, timeout=600)
        assert completed["reason"] in {"Success", "SuccessWithErrors"}, completed
        yield Bundle(world.s3.object(KEY), planted.replace("/var/log/pods", "var_log"))
    finally:
        delete(world, node.instance_id)


def test_every_row_of_the_catalogue_is_present_or_explained(bundle: Bundle) -> None:
    for output in catalogue.select(CATEGORIES):
        assert [row for row in bundle.rows if fits(row, output)], output.path
    names = {manifest.printable(path) for path in bundle.files}
    for row in bundle.rows:
        assert (row["path"] in names) == (row["bytesWritten"] > 0), row
        assert row["status"] not in {"failed", "timeout", "skipped"}, row
        # What the agent itself writes on each node is there.
        assert row["status"] != "absent" or not OWN.search(row["source"]), row


def fits(row: dict[str, Any], output: Output) -> bool:
    """Return whether a row of the manifest is one of an output of the catalogue."""
    pattern = output.path
    if isinstance(output.source, Tree):
        folder = output.source.pattern.rpartition("/")[2]
        pattern += f"{folder}*" if "*" in folder else "*"
    return row["category"] == output.category and (row["path"] == pattern or fnmatch(row["path"], pattern))


@pytest.mark.parametrize("path", PRESENT.split())
def test_what_this_node_has_is_in_it(bundle: Bundle, path: str) -> None:
    assert bundle.matching(path), [row for row in bundle.rows if fnmatch(row["path"], path)]


def test_mounts_are_the_nodes_and_not_the_sandboxs(bundle: Bundle) -> None:
    mounts = bundle.files["storage/mounts.txt"].decode()
    (var,) = [line for line in mounts.splitlines() if " on /var type " in line]
    assert "(rw," in var
    assert "Filesystem " in mounts


def test_no_planted_secret_is_in_it(bundle: Bundle) -> None:
    assert [path for path, content in bundle.files.items() if MARK.encode() in content] == []
    assert [path for path, content in bundle.files.items() if b"2001:db8::5ec" in content] == []
    rows = {row["path"]: row for row in bundle.rows}
    for name in ("0.log", "0.log.20261122-150000"):
        assert rows[f"{bundle.logs}/{name}"]["redactions"] >= 20
    assert b"<redacted>" in bundle.files["system/ps.txt"]
    assert b"stable_secret = <redacted>" in bundle.files["sysctls/sysctl_all.txt"]


def test_links_and_pipes_are_no_files_and_odd_names_are(bundle: Bundle) -> None:
    names = [path.removeprefix(f"{bundle.logs}/") for path in bundle.files if path.startswith(f"{bundle.logs}/")]
    assert sorted(names) == ["0.log", "0.log.20261122-150000", "odd\nname\udcff"]
    assert {row["path"]: row["status"] for row in bundle.rows}[f"{bundle.logs}/empty"] == "empty"


def test_nvme_controllers_say_who_they_are(bundle: Bundle) -> None:
    found = json.loads(bundle.files["device/nvme.json"])
    # QEMU's controller has a serial, and no page of statistics.
    assert any((each["volume"] or "").startswith("vol-") for each in found), found


def test_metadata_is_there_without_credentials(bundle: Bundle, node: Node) -> None:
    tree = json.loads(bundle.files["system/imds-tree.json"])
    assert tree["meta-data/instance-id"] == node.instance_id
    assert not [path for path in tree if "credentials" in path or "user-data" in path]
