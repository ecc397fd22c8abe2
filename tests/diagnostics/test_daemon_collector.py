"""Bundles as the command line makes them: real commands, real files below a root."""

import io
import json
import tarfile
from pathlib import Path

import pytest

from agent.diagnostics import capture, daemon
from agent.diagnostics.capture import Capture
from agent.errors import FailedError, SettingsError
from agent.host.spool import FOLDER, Spool

ID = "0b8e0d1c-6a5e-4a0e-9f5e-2f1f4a3c9d10"


def test_a_collection_leaves_a_bundle_and_its_result(tmp_path: Path) -> None:
    spool = Spool(tmp_path / FOLDER[1:])
    run = Capture(ID, "u-1", 3, "i-1", ("Runtime",), "2026-11-22T15:00:00Z")
    spool.write(ID, capture.REQUEST, run.dump())
    kubelet = tmp_path / "etc/kubernetes/kubelet"
    kubelet.mkdir(parents=True)
    (kubelet / "config.json").write_text('{"password": "hunter22"}')
    daemon.collect(ID, root=tmp_path)
    result = spool.read(ID, capture.RESULT)
    assert result is not None
    made = capture.parse_made(result)
    content = (spool.place(ID) / capture.BUNDLE).read_bytes()
    assert made.size == len(content)
    with tarfile.open(fileobj=io.BytesIO(content)) as bundle:
        names = bundle.getnames()
        config, rows = bundle.extractfile("kubelet/config.json"), bundle.extractfile("manifest.json")
        assert config is not None
        assert rows is not None
        assert config.read() == b'{"password": "<redacted>"}'
        manifest = json.load(rows)
    assert names[-1] == "manifest.json"
    assert (manifest["node"], manifest["captureID"], manifest["object"]["uid"]) == ("i-1", ID, "u-1")
    assert {row["path"]: row["status"] for row in manifest["outputs"]}["kubelet/kubeconfig.yaml"] == "absent"
    assert len(manifest["outputs"]) == made.outputs
    assert sorted(path.name for path in spool.place(ID).iterdir()) == ["bundle.tar.gz", "request.json", "result.json"]


def captured(root: Path) -> dict[str, bytes]:
    """Return the files of a bundle in their order; of its manifest what does not tell the time."""
    spool = Spool(root / FOLDER[1:])
    run = Capture(ID, "u-1", 3, "i-1", ("Device",), "2026-11-22T15:00:00Z")
    spool.write(ID, capture.REQUEST, run.dump())
    daemon.collect(ID, root=root)
    with tarfile.open(spool.place(ID) / capture.BUNDLE) as bundle:
        files = {entry.name: content.read() for entry in bundle if (content := bundle.extractfile(entry))}
    spool.remove(ID)
    manifest = json.loads(files["manifest.json"])
    rows = [{**row, "seconds": 0} for row in manifest["outputs"]]
    return {**files, "manifest.json": json.dumps({**manifest, "finishedAt": "", "outputs": rows}).encode()}


def test_two_captures_of_an_unchanged_host_are_the_same_and_else_differ_in_what_changed(tmp_path: Path) -> None:
    pods = "var/log/pods/kube-system_ebs-csi-node-"
    texts = {f"{pods}{pod}/plugin/0.log": "started\n" * 9 for pod in "cab"} | {"proc/bus/pci/devices": "0000\n"}
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    first, second = captured(tmp_path), captured(tmp_path)
    assert list(first.items()) == list(second.items())
    assert first["device/pci-devices.txt"] == b"0000\n"
    (tmp_path / f"{pods}a/plugin/0.log").write_text("started again\n")
    third = captured(tmp_path)
    assert list(first) == list(third)
    changed = {name for name, content in third.items() if content != first[name]}
    assert changed == {"var_log/kube-system_ebs-csi-node-a/plugin/0.log", "manifest.json"}


@pytest.mark.parametrize("capture_id", ["../../etc", "", ID])
def test_a_collection_that_nobody_asked_for(tmp_path: Path, capture_id: str) -> None:
    with pytest.raises(FailedError, match="the diagnostics daemon"):
        daemon.collect(capture_id, root=tmp_path)


def test_a_bundle_made_by_hand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "bundle.tar.gz"
    daemon.diagnose(("Runtime",), output)
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith(f"{output}: {output.stat().st_size} bytes, ")
    with tarfile.open(output) as bundle:
        assert "manifest.json" in bundle.getnames()
    assert [path.name for path in tmp_path.iterdir()] == ["bundle.tar.gz"]


def test_a_bundle_that_cannot_be_made(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no such category: base"):
        daemon.diagnose(("base",), tmp_path / "b")
    with pytest.raises(FailedError, match="cannot write"):
        daemon.diagnose(("Device",), tmp_path / "none/b")


def test_the_catalogue(capsys: pytest.CaptureFixture[str]) -> None:
    daemon.list_catalogue(as_json=True)
    assert json.loads(capsys.readouterr().out)["outputs"]
    daemon.list_catalogue(as_json=False)
    assert "system/top.txt" in capsys.readouterr().out
