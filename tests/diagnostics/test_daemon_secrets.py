"""Secrets of twenty kinds on a host, and files that are traps: what of them a bundle may hold."""

import gzip
import json
import os
import tarfile

import pytest

from agent.diagnostics import capture, daemon
from agent.diagnostics.capture import Capture
from agent.host.spool import FOLDER, Spool

ID = "0b8e0d1c-6a5e-4a0e-9f5e-2f1f4a3c9d10"
# Each planted value holds this word, so that one search finds whatever is left of any.
MARK = "PLANTED"
LINES = [
    f"-----BEGIN RSA PRIVATE KEY-----\nMII{MARK}\n-----END RSA PRIVATE KEY-----",
    f"-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl{MARK}\n-----END OPENSSH PRIVATE KEY-----",
    f"https://b.s3.amazonaws.com/k?X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F{MARK}&X-Amz-Signature={MARK}",
    f"https://b.s3.amazonaws.com/k?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature={MARK}&Expires=1",
    f"Authorization: Bearer {MARK}.0123456789",
    f"authorization: Basic {MARK}0123456789",
    f"k8s-aws-v1.{MARK}",
    f"http_proxy=http://someone:{MARK}@proxy:3128",
    f"aws_secret_access_key = {MARK}",
    f'{{"SessionToken": "{MARK}", "password": "two {MARK}"}}',
    f'bootstrap-token = "abcdef.{MARK}"',
    f"X-aws-ec2-metadata-token: {MARK}",
    f"client-key-data: {MARK}",
    f"LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0tLQ{MARK}",
    f"eyJhbGciOiJSUzI1NiJ9.eyJ{MARK}xx.{MARK}",
    f'{{"auths": {{"registry": {{"auth": "{MARK}"}}}}}}',
    f'identitytoken = "{MARK}"',
    f'"env": ["DB_PASSWORD=some {MARK}"]',
    f'{{"name": "API_KEY", "value": "{MARK}"}}',
    f"mysqld --password {MARK}",
    f"IQoJb3JpZ2luX2VjEAAaCXVz{MARK}",
    f"net.ipv6.conf.all.stable_secret = {MARK}",
]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    root = tmp_path_factory.mktemp("root")
    pod = root / "var/log/pods/kube-system_aws-node-x/aws-node"
    kubelet, cni = root / "etc/kubernetes/kubelet/config.json.d", root / "etc/cni/net.d"
    for folder in (pod, kubelet, cni, root / "etc/containerd", root / "run/node-agent"):
        folder.mkdir(parents=True)
    text = "\n".join(LINES).encode() + b"\n"
    (pod / "0.log").write_bytes(b"plain\n" * 100_000 + text + b"plain\n" * 100_000)
    (pod / "0.log.20261122-150000.gz").write_bytes(gzip.compress(text))
    (pod / "bad\udcff\nname").write_bytes(text)
    (pod / "empty").touch()
    os.mkfifo(pod / "fifo")
    (pod / "loop").symlink_to(pod)
    (pod / "shadow").symlink_to("/etc/shadow")
    (kubelet.parent / "kubeconfig").write_text(
        f"users:\n- name: me\n  user: {{token: {MARK}, client-key-data: {MARK}}}\n"
    )
    (kubelet / "a.json").write_text(json.dumps({"registryPassword": MARK, "port": 10250}))
    (cni / "10.conflist").write_text(json.dumps({"password": MARK, "name": "x"}, indent=1))
    (root / "etc/containerd/config.toml").write_text(f'[auth]\nauth = "{MARK}"\npassword = "{MARK}"\nmax = 5\n')
    (root / "run/node-agent/doctor.json").write_text(json.dumps({"checks": [], "url": LINES[2]}))
    spool = Spool(root / FOLDER[1:])
    spool.write(
        ID, capture.REQUEST, Capture(ID, "u", 1, "i-1", ("Networking", "Runtime"), "2026-11-22T15:00:00Z").dump()
    )
    daemon.collect(ID, root=root)
    with tarfile.open(spool.place(ID) / capture.BUNDLE) as archive:
        return {entry.name: archive.extractfile(entry).read() for entry in archive}


def test_no_planted_secret_is_in_it(bundle: dict[str, bytes]) -> None:
    assert [path for path, content in bundle.items() if MARK.encode() in content] == []


def test_they_are_counted(bundle: dict[str, bytes]) -> None:
    manifest = json.loads(bundle["manifest.json"])
    rows = {row["path"]: row["redactions"] for row in manifest["outputs"]}
    folder = "var_log/kube-system_aws-node-x/aws-node"
    assert rows[f"{folder}/0.log"] >= len(LINES)
    assert rows[f"{folder}/0.log.20261122-150000"] == rows[f"{folder}/0.log"]
    assert (rows["cni/10.conflist"], rows["containerd/config.toml"], rows["kubelet/kubeconfig.yaml"]) == (1, 2, 2)
    assert manifest["redactions"] == sum(rows.values())


def test_what_is_no_secret_is_all_there(bundle: dict[str, bytes]) -> None:
    log = bundle["var_log/kube-system_aws-node-x/aws-node/0.log"]
    assert log.count(b"plain\n") == 200_000
    assert json.loads(bundle["kubelet/config.json.d/a.json"]) == {"registryPassword": "<redacted>", "port": 10250}
    assert json.loads(bundle["cni/10.conflist"]) == {"password": "<redacted>", "name": "x"}


def test_links_and_pipes_are_no_files_and_odd_names_are(bundle: dict[str, bytes]) -> None:
    folder = "var_log/kube-system_aws-node-x/aws-node/"
    names = sorted(path.removeprefix(folder) for path in bundle if path.startswith(folder))
    assert names == ["0.log", "0.log.20261122-150000", "bad\udcff\nname"]
