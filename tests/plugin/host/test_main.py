"""`show` as a person runs it: summaries, lists, single files, and clear errors."""

import json
from pathlib import Path

import pytest
from plugin import archives

from kubectl_node_diagnostic.__main__ import main

NODE = "i-0123456789abcdef0"


@pytest.fixture
def bundle(tmp_path: Path) -> str:
    path = tmp_path / "bundle.tar.gz"
    manifest = {"schemaVersion": 1, "node": NODE, "outputs": [{"path": "a", "status": "failed", "error": "exit 1"}]}
    path.write_bytes(archives.bundle(manifest, {"healthy": True, "headline": None, "checks": []}).getvalue())
    return str(path)


def test_a_summary(bundle: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", bundle]) == 0
    said = capsys.readouterr().out
    assert f"node        {NODE}\n" in said
    assert "not whole:\n  a  failed     exit 1\n" in said


def test_a_summary_for_programs(bundle: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", bundle, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["node"], found["doctor"]["healthy"], found["outputs"]) == (NODE, True, {"failed": 1})


def test_the_files_and_one_of_them(bundle: str, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["show", bundle, "--list"]) == 0
    assert [line.split()[1] for line in capsysbinary.readouterr().out.splitlines()] == [
        b"manifest.json",
        b"doctor.json",
    ]
    assert main(["show", bundle, "doctor.json"]) == 0
    assert json.loads(capsysbinary.readouterr().out)["healthy"] is True


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["show", "BUNDLE", "no/such"], 1, "the bundle has no file no/such"),
        (["show", "BUNDLE.gone"], 1, "No such file"),
        (["show", "/dev/null"], 1, "in the middle of an entry"),
        (["collect", "--node"], 78, "say which nodes"),
        (["collect", "a", "-l", "b=c", "--node"], 78, "say which nodes"),
        (["collect", "a", "--node", "--no-fetch"], 78, "--no-fetch leaves bundles in S3"),
        (["collect", "a", "--s3", "nowhere"], 78, "is no S3 place"),
        (["collect", "a", "--node", "--output", "/dev/null/x"], 78, "cannot make /dev/null/x"),
    ],
)
def test_what_cannot_work_says_what_to_do(
    bundle: str, words: list[str], status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([word.replace("BUNDLE", bundle) for word in words]) == status
    error = capsys.readouterr().err
    assert said in error
    assert "\ndo: " in error
