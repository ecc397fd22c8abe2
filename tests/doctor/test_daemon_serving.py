"""Whether kubelet has a serving certificate to wait for, told by the configuration that was rendered for it."""

from dataclasses import replace
from pathlib import Path

import pytest
from configure.samples import FACTS, accepted, document
from doctor.healthy import unit

from agent.configure import kubelet
from agent.doctor import inquiries, kubelet_files
from agent.doctor.evidence import Serving
from agent.errors import FailedError
from agent.host import files

RUNS = replace(unit("kubelet.service"), active_for=600.0)
PEM = "var/lib/kubelet/pki/kubelet-server-current.pem"
ASKS, OFF = '{"serverTLSBootstrap": true}', '{"serverTLSBootstrap": false}'
DEFAULT = f"/{PEM}"


def rendered(root: Path, kubernetes: str = "", rest: str = "") -> Path:
    files.write_files(kubelet.files(accepted(document(kubernetes, rest)), FACTS), root=root)
    return root


def put(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.touch()


def test_a_kubelet_that_waits_for_its_certificate(tmp_path: Path) -> None:
    root = rendered(tmp_path)
    assert inquiries.serving(root, RUNS) == Serving(present=False, waited=600.0)
    put(root / PEM)
    assert inquiries.serving(root, RUNS) == Serving(present=True, waited=600.0)
    assert inquiries.serving(root, None) is None


@pytest.mark.parametrize(
    ("kubernetes", "rest"),
    [
        ("server-tls-bootstrap = false", ""),
        ("", "[settings.kubelet.config]\nserverTLSBootstrap = false"),
        ("", '[settings.kubelet]\nflags = ["--rotate-server-certificates=false"]'),
    ],
)
def test_whatever_switches_it_off_there_is_none_to_wait_for(tmp_path: Path, kubernetes: str, rest: str) -> None:
    assert inquiries.serving(rendered(tmp_path, kubernetes, rest), RUNS) == Serving(present=False, asked=False)


def test_it_is_looked_for_where_kubelet_keeps_it(tmp_path: Path) -> None:
    root = rendered(tmp_path, rest='[settings.kubelet]\nflags = ["--cert-dir=/var/lib/elsewhere"]')
    put(root / "var/lib/elsewhere/kubelet-server-current.pem")
    assert inquiries.serving(root, RUNS) == Serving(present=True, waited=600.0)


def test_of_the_drop_ins_the_last_one_wins_and_other_files_are_none(tmp_path: Path) -> None:
    root = rendered(tmp_path)
    folder = root / "etc/kubernetes/kubelet/config.json.d"
    (folder / "50-own.conf").write_text(OFF)
    (folder / "60-own.conf.bak").write_text(ASKS)
    (folder / "README").write_text("not JSON")
    assert inquiries.serving(root, RUNS) == Serving(present=False, asked=False)
    (folder / "60-own.conf").write_text(ASKS)
    assert inquiries.serving(root, RUNS) == Serving(present=False, waited=600.0)
    (folder / "70-own.conf").write_text("serverTLSBootstrap: false\n")
    assert inquiries.serving(root, RUNS) is None


@pytest.mark.parametrize(
    ("configuration", "flags", "path"),
    [
        ([], "", None),
        (["", "{}", "[]"], "", None),
        ([ASKS, "{}"], "", DEFAULT),
        ([ASKS, OFF], "", None),
        ([OFF, ASKS], "", DEFAULT),
        ([OFF], 'KUBELET_FLAGS="--rotate-server-certificates --v=2"', DEFAULT),
        ([OFF], 'KUBELET_FLAGS="--v=2 --rotate-server-certificates"', DEFAULT),
        ([ASKS], 'KUBELET_FLAGS="--rotate-server-certificates=F"', None),
        ([ASKS], 'KUBELET_FLAGS="--rotate-server-certificates=F --rotate-server-certificates=1"', DEFAULT),
        ([ASKS], 'KUBELET_FLAGS="--cert-dir=/a --cert-dir=/b"', "/b/kubelet-server-current.pem"),
    ],
)
def test_kubelet_takes_the_last_file_that_says_it_and_flags_over_files(
    configuration: list[str], flags: str, path: str | None
) -> None:
    assert kubelet_files.serving_certificate(configuration, flags) == path


def test_what_cannot_be_read_says_nothing() -> None:
    with pytest.raises(FailedError, match="not JSON"):
        kubelet_files.serving_certificate([ASKS, "a: b"], "")
