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
