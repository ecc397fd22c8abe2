"""Whole passes against a metadata service, below a root of their own."""

import json
import os
import re
import stat
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from configure.samples import API_SERVER, INSTANCE, document

from agent.configure import daemon, reserves
from agent.errors import FailedError, SettingsError
from world import imds, waiting
from world.metadata import Fault, Metadata

MAC = "02:00:00:00:00:01"
IDENTITY = {
    "accountId": INSTANCE.account_id,
    "availabilityZone": INSTANCE.availability_zone,
    "imageId": INSTANCE.image_id,
    "instanceId": INSTANCE.instance_id,
    "instanceType": INSTANCE.instance_type,
    "region": INSTANCE.region,
}


@pytest.fixture
def metadata() -> Metadata:
    return Metadata({
        "dynamic/instance-identity/document": json.dumps(IDENTITY),
        "meta-data/local-hostname": "ip-10-0-0-20.us-west-2.compute.internal",
        "meta-data/local-ipv4": "10.0.0.20",
        "meta-data/mac": MAC,
        f"meta-data/network/interfaces/macs/{MAC}/vpc-ipv4-cidr-blocks": "10.0.0.0/16\n10.1.0.0/16",
        "meta-data/services/domain": "amazonaws.com",
        "user-data": document('cluster-dns-ip = "172.20.0.10"'),
    })  # fmt: skip


@pytest.fixture
def url(metadata: Metadata) -> Iterator[str]:
    with imds.serving(metadata) as url:
        yield url


def configure(root: Path, url: str) -> dict[str, object]:
    daemon.configure(root, url, dry_run=False)
    return status(root)


def status(root: Path) -> dict[str, object]:
    body: dict[str, object] = json.loads((root / "run/node-agent/configure.json").read_text())
    return body


def snapshot(root: Path) -> dict[str, tuple[int, int, bytes]]:
    files = [path for path in root.rglob("*") if path.is_file()]
    return {str(path): (path.stat().st_ino, path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def test_a_pass_renders_a_tree_and_says_who_the_node_is(tmp_path: Path, url: str) -> None:
    body = configure(tmp_path, url)
    assert body["state"] == "ok"
    assert body["nodeName"] == "i-0123456789abcdef0"
    assert body["providerId"] == "aws:///us-west-2a/i-0123456789abcdef0"
    assert body["region"] == "us-west-2"
    assert body["clusterName"] == "demo"
    assert body["apiServer"] == API_SERVER
    assert body["userData"] == "ok"
    config = json.loads((tmp_path / "etc/kubernetes/kubelet/config.json").read_text())
    assert config["kubeReserved"]["cpu"] == f"{reserves.cpu_millicores(os.cpu_count() or 1)}m"
    assert (tmp_path / "etc/hostname").read_text() == "ip-10-0-0-20.us-west-2.compute.internal\n"
    assert stat.S_IMODE((tmp_path / "etc/kubernetes/kubelet/kubeconfig").stat().st_mode) == 0o600


def test_a_second_pass_writes_nothing(tmp_path: Path, url: str) -> None:
    configure(tmp_path, url)
    before = snapshot(tmp_path)
    configure(tmp_path, url)
    assert snapshot(tmp_path) == before


def test_a_file_that_is_rendered_no_more_goes(tmp_path: Path, url: str) -> None:
    store = tmp_path / "etc/ssl/certs/ca-certificates.crt"
    bundle = tmp_path / "usr/share/node-agent/ca-bundle.crt"
    bundle.parent.mkdir(parents=True)
    bundle.write_text("# public\n")
    configure(tmp_path, url)
    assert store.read_text() == "# public\n"
    bundle.unlink()
    foreign = store.with_name("foreign.crt")
    foreign.write_text("not ours")
    configure(tmp_path, url)
    assert not store.exists()
    assert foreign.exists()


def test_a_record_that_somebody_spoilt_does_not_keep_the_node_out(tmp_path: Path, url: str) -> None:
    configure(tmp_path, url)
    (tmp_path / "etc/node-agent/rendered.json").write_text("{")
    assert configure(tmp_path, url)["state"] == "ok"
    assert json.loads((tmp_path / "etc/node-agent/rendered.json").read_text())["files"]


@pytest.mark.parametrize(
    ("user_data", "state", "path", "said"),
    [
        (b"#!/bin/sh\n", "invalid", "", "a shell script"),
        (document().replace("api-server", "api-sevrer"), "invalid", "settings.kubernetes.api-server", "missing"),
        (re.sub(r'(cluster-certificate = ").*', r'\1bm90IGE="', document()), "invalid",
         "settings.kubernetes.cluster-certificate", "not X.509"),
        (None, "absent", "settings.kubernetes.api-server", "missing"),
    ],
    ids=["not TOML", "missing", "no certificate", "no user data"],
)  # fmt: skip
def test_bad_user_data_writes_nothing_but_the_reason(
    tmp_path: Path, url: str, metadata: Metadata, user_data: str | bytes | None, state: str, path: str, said: str
) -> None:
    configure(tmp_path, url)
    before = snapshot(tmp_path / "etc")
    if user_data is None:
        metadata.remove("user-data")
    else:
        metadata.set("user-data", user_data)
    with pytest.raises(SettingsError, match=said) as raised:
        daemon.configure(tmp_path, url, dry_run=False)
    assert raised.value.exit_status == 78
    assert path in str(raised.value)
    body = status(tmp_path)
    assert (body["state"], body["userData"]) == ("failed", state)
    assert body["nodeName"] == "i-0123456789abcdef0"
    verdicts = body["verdicts"]
    assert isinstance(verdicts, list)
    assert (verdicts[0]["path"], verdicts[0]["level"]) == (path, "error")
    assert snapshot(tmp_path / "etc") == before


def test_local_overrides_win_in_the_order_of_their_names(tmp_path: Path, url: str) -> None:
    folder = tmp_path / "etc/node-agent/conf.d"
    folder.mkdir(parents=True)
    (folder / "20-b.toml").write_text("[settings.kubernetes]\nmax-pods = 20\n")
    (folder / "10-a.toml").write_text('[settings.kubernetes]\nmax-pods = 10\nmax-podz = 1\ncluster-name = "other"\n')
    (folder / "30-c.conf").write_text("not read")
    body = configure(tmp_path, url)
    config = json.loads((tmp_path / "etc/kubernetes/kubelet/config.json").read_text())
    assert (config["maxPods"], body["clusterName"]) == (20, "other")
    sources = {verdict["source"] for verdict in body["verdicts"]}  # type: ignore[attr-defined]
    assert "/etc/node-agent/conf.d/10-a.toml" in sources


def test_the_vpc_s_networks_are_asked_for_only_where_something_follows_from_them(
    tmp_path: Path, url: str, metadata: Metadata
) -> None:
    configure(tmp_path, url)
    assert not [request for request in metadata.requests if "cidr-blocks" in request.path]
    metadata.set("user-data", document(rest='[settings.network]\nhttps-proxy = "http://proxy.example.com:3128"'))
    configure(tmp_path, url)
    assert ",10.0.0.0/16,10.1.0.0/16," in (tmp_path / "etc/network/proxy.env").read_text()


def test_a_dry_run_prints_the_difference_and_writes_nothing(
    tmp_path: Path, url: str, metadata: Metadata, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(tmp_path, url)
    before = snapshot(tmp_path)
    capsys.readouterr()
    daemon.configure(tmp_path, url, dry_run=True)
    assert "+++ " not in capsys.readouterr().out
    metadata.set("user-data", document('cluster-dns-ip = "172.20.0.10"\nmax-pods = 58'))
    daemon.configure(tmp_path, url, dry_run=True)
    lines = capsys.readouterr().out.splitlines()
    assert '-  "maxPods": 110,' in lines
    assert '+  "maxPods": 58,' in lines
    assert snapshot(tmp_path) == before


def test_metadata_that_refuses_is_said_in_the_status(tmp_path: Path, url: str, metadata: Metadata) -> None:
    metadata.fault("user-data", Fault(status=400))
    with pytest.raises(FailedError, match="user-data"):
        daemon.configure(tmp_path, url, dry_run=False)
    body = status(tmp_path)
    assert body["state"] == "failed"
    assert body["nodeName"] is None


def test_late_metadata_is_waited_for_and_the_status_says_so(tmp_path: Path, url: str, metadata: Metadata) -> None:
    metadata.fault("dynamic", Fault(status=503))
    report = tmp_path / "run/node-agent/configure.json"

    def heal_once_it_is_said() -> None:
        try:
            waiting.until(report.exists, 20, "configure says what it waits for", interval=0.02)
        finally:
            metadata.heal()  # or the main thread would wait for ever

    healer = threading.Thread(target=heal_once_it_is_said)
    healer.start()
    inputs = daemon.read_patiently(tmp_path, url, each_within=0.5)
    healer.join()
    assert inputs.facts.instance == replace(INSTANCE, ipv6=None)
    body = status(tmp_path)
    assert (body["state"], body["nodeName"]) == ("waiting", None)
    assert "503" in str(body["message"])


def test_check_merges_files_and_tells_whether_a_node_could_join(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, more, bad = (tmp_path / name for name in ("good.toml", "more.toml", "bad.toml"))
    good.write_text(document())
    more.write_text("[settings.kubernetes]\nmax-pods = 58\n")
    bad.write_text("nothing")
    assert daemon.check([good, more], as_json=True)
    assert json.loads(capsys.readouterr().out)["settings"]["kubernetes"]["max-pods"] == 58
    assert not daemon.check([good, bad], as_json=False)
    assert "error: bad.toml: not TOML" in capsys.readouterr().out
    with pytest.raises(FailedError, match="No such file"):
        daemon.check([tmp_path / "none"], as_json=False)
