"""The command as a person runs it: exit statuses, and errors that say what to do next."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

GOOD = """\
[settings.kubernetes]
api-server = "https://0123456789abcdef.gr7.us-west-2.eks.amazonaws.com"
cluster-name = "demo"
cluster-dns-ip = "172.20.0.10"
"""


def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "agent", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **environment},
    )


def test_the_version_is_printed() -> None:
    assert run("--version").stdout.startswith("node-agent ")


@pytest.mark.parametrize("arguments", [(), ("no-such-command",), ("configure", "--no-such-option"), ("token",)])
def test_wrong_usage_exits_2(arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert "usage:" in done.stderr


def test_what_a_person_must_change_exits_78_and_names_it(tmp_path: Path) -> None:
    (tmp_path / "user-data.toml").write_text(GOOD)
    done = run("settings", "check", tmp_path / "user-data.toml")
    assert done.returncode == 78
    assert "settings.kubernetes.cluster-certificate" in done.stdout


def test_what_may_pass_exits_75_with_a_hint(tmp_path: Path) -> None:
    done = run("configure", "--root", tmp_path, "--imds", "http://127.0.0.1:9")
    assert done.returncode == 75
    assert "hint=" in done.stderr


def test_an_address_that_is_none_exits_78() -> None:
    done = run("token", "--cluster", "demo", AWS_EC2_METADATA_SERVICE_ENDPOINT="ftp://nowhere")
    assert done.returncode == 78
    assert "Traceback" not in done.stderr


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {sys.executable} -m agent manifests | true"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr
