"""Bundles on hosts that are not as they should be: no rights, no metadata, no space."""

import json
import os
import random
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.diagnostics import capture
from agent.diagnostics.capture import Capture
from agent.host.spool import FOLDER, Spool

ID = "0b8e0d1c-6a5e-4a0e-9f5e-2f1f4a3c9d10"
NOBODY = 65534
COLLECT = """
import pathlib
from agent.diagnostics import daemon
daemon.collect("{id}", root=pathlib.Path("{root}"))
"""
# The interpreter may lie where only root can read: it gives root up once all is loaded.
AS_NOBODY = """
import os, pathlib, sys
from agent.diagnostics import daemon
os.setgroups([]); os.setgid({user}); os.setuid({user})
daemon.diagnose(("All",), pathlib.Path(sys.argv[1]))
"""
# Nothing answers there.
OFFLINE = {**os.environ, "AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:9"}


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that any user reaches: each start of pytest closes what is above tmp_path to all but root."""
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)


@pytest.mark.netns
@pytest.mark.parametrize("user", [0, NOBODY])
def test_a_bundle_of_everything_without_metadata_as_root_and_as_a_user(folder: Path, user: int) -> None:
    os.chown(folder, user, user)
    output = folder / "x.tar.gz"
    command = [sys.executable, "-c", AS_NOBODY.format(user=user), output]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, env=OFFLINE, timeout=300)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith(f"{output}: {output.stat().st_size} bytes, ")
    with tarfile.open(output) as bundle:
        names = bundle.getnames()
        rows = json.load(bundle.extractfile("manifest.json"))["outputs"]
    status = {row["path"]: row["status"] for row in rows}
    assert {"kernel/uname.txt", "system/ps.txt", "storage/mounts.txt", "networking/iprule.txt"} <= set(names)
    assert status["system/region.txt"] == "failed"
    assert sorted(row["path"] for row in rows if row["bytesWritten"]) == sorted(
        set(names) - {"manifest.json", "log-capture-errors.log"}
    )
    assert [path.name for path in folder.iterdir()] == ["x.tar.gz"]


def collected(tmp_path: Path, size: str) -> tuple[subprocess.CompletedProcess[str], Path]:
    """Collect on a file system of a size, from 64 MiB that cannot be compressed, and keep what is in the spool."""
    root, kept = tmp_path / "root", tmp_path / "kept"
    pods = root / "var/log/pods/kube-system_coredns-0_0"
    pods.mkdir(parents=True)
    (pods / "0.log").write_bytes(random.Random(1).randbytes(64 << 20))
    spool = root / FOLDER[1:]
    spool.mkdir(parents=True)
    kept.mkdir()
    request = Capture(ID, "u", 1, "i-1", ("Networking",), "2026-11-22T15:00:00Z").dump()
    (tmp_path / "request").write_bytes(request)
    script = f"""set -e
        mount -t tmpfs -o size={size} none {spool}
        mkdir {spool}/{ID}; cp {tmp_path}/request {spool}/{ID}/{capture.REQUEST}
        {sys.executable} -c '{COLLECT.format(id=ID, root=root)}' || status=$?
        cp -r {spool}/{ID} {kept}; exit ${{status:-0}}"""
    command = ["unshare", "-m", "--propagation", "private", "sh", "-c", script]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, env=OFFLINE, timeout=300)
    return ended, kept


@pytest.mark.netns
def test_a_full_disk_ends_in_a_clear_failure(tmp_path: Path) -> None:
    ended, kept = collected(tmp_path, "200M")
    assert ended.returncode == 1, ended.stderr
    content = Spool(kept).read(ID, capture.RESULT)
    assert content is not None
    made = capture.parse_made(content)
    assert made.error.startswith("no space for a bundle: 199 MiB are free, and 256 MiB stay free")
    assert sorted(path.name for path in (kept / ID).iterdir()) == ["request.json", "result.json"]


@pytest.mark.netns
def test_a_disk_that_fills_up_ends_the_bundle_with_what_it_has(tmp_path: Path) -> None:
    ended, kept = collected(tmp_path, "290M")
    assert ended.returncode == 0, ended.stderr
    with tarfile.open(kept / ID / capture.BUNDLE) as bundle:
        rows = {row["path"]: row for row in json.load(bundle.extractfile("manifest.json"))["outputs"]}
        log = bundle.getmember("var_log/kube-system_coredns-0_0/0.log")
    row = rows["var_log/kube-system_coredns-0_0/0.log"]
    assert row["bytesWritten"] == log.size
    assert 16 << 20 <= log.size < 64 << 20
    assert row["status"] == "truncated"
    # 290 MiB, of which 256 stay free.
    assert (kept / ID / capture.BUNDLE).stat().st_size < 36 << 20
