"""Go programs that no Debian package has, built from released modules at pinned versions."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tools import cache, progress, trees
from tools.commands import Build, BuildError
from tools.enter import enter_command

HERE = Path(__file__).parent
GO = "1.26.8"  # what compiles; an older or newer go on PATH fetches exactly this one from the module proxy
OLDEST_BOOTSTRAP = (1, 21)  # the first go that can fetch another toolchain
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")  # whom this machine trusts, which may be its own proxy
KUBERNETES = "1.36.3"
VERSION = "k8s.io/component-base/version"
KUBERNETES_FLAGS = (
    f"-s -w -X {VERSION}.gitVersion=v{KUBERNETES} -X {VERSION}.gitMajor=1 -X {VERSION}.gitMinor=36"
    f" -X {VERSION}.gitTreeState=clean -X {VERSION}.gitCommit=unknown"
)


@dataclass(frozen=True)
class Program:
    """A main package, the folder of the go.mod that pins it, and its linker flags."""

    package: str
    module: str
    ldflags: str = "-s -w"


PROGRAMS = {
    "kubelet": Program("k8s.io/kubernetes/cmd/kubelet", "kubernetes", KUBERNETES_FLAGS),
    "kubectl": Program("k8s.io/kubernetes/cmd/kubectl", "kubernetes", KUBERNETES_FLAGS),
    "kube-apiserver": Program("k8s.io/kubernetes/cmd/kube-apiserver", "kubernetes", KUBERNETES_FLAGS),
    "kube-controller-manager": Program("k8s.io/kubernetes/cmd/kube-controller-manager", "kubernetes", KUBERNETES_FLAGS),
    "kube-scheduler": Program("k8s.io/kubernetes/cmd/kube-scheduler", "kubernetes", KUBERNETES_FLAGS),
    "aws-iam-authenticator": Program("sigs.k8s.io/aws-iam-authenticator/cmd/aws-iam-authenticator", "authenticator"),
    "versitygw": Program("github.com/versity/versitygw/cmd/versitygw", "versitygw"),
    "noproxy": Program(".", "noproxy"),
}


def binary(name: str) -> Path:
    """Return the path of a statically linked program of PROGRAMS."""
    program = PROGRAMS[name]
    module = HERE / program.module
    key = cache.key(GO, program.package, program.ldflags, *sorted(path for path in module.iterdir() if path.is_file()))

    def build(folder: Path) -> None:
        with progress.step(f"{name}: compiled from {program.package}"):
            _compile(program, folder / name)

    return cache.entry(name, key, build) / name


def _compile(program: Program, output: Path) -> None:
    module = HERE / program.module
    argv = ["build", "-trimpath", "-ldflags", program.ldflags, "-o", str(output), program.package]
    environment = {
        "CGO_ENABLED": "0",
        "GOFLAGS": "-mod=readonly",
        "GOTOOLCHAIN": f"go{GO}",
        "GOWORK": "off",
    }
    Build(output.with_name("log"), module, environment).run([*_go(module, output.parent), *argv])


def _go(module: Path, output: Path) -> list[str]:
    if shutil.which("go") and _version() >= OLDEST_BOOTSTRAP:
        return ["go"]
    caches = [cache.shared("go-modules"), cache.shared("go-build")]
    variables = [f"GOMODCACHE={caches[0]}", f"GOCACHE={caches[1]}", "PATH=/usr/lib/go/bin:/usr/bin:/bin"]
    binds = [module, output, CERTIFICATES, *caches]
    return enter_command(["env", *variables, "go"], binds, tree=trees.go_root())


def _version() -> tuple[int, int]:
    """Return the release of the go on PATH; outside of a module, so that it does not fetch another first."""
    environment = {**os.environ, "GOTOOLCHAIN": "local"}
    done = subprocess.run(["go", "version"], env=environment, capture_output=True, text=True, check=True, cwd="/")
    match = re.search(r"\bgo(\d+)\.(\d+)", done.stdout)
    if match is None:
        raise BuildError(f"go version printed {done.stdout!r}: put a released go on PATH, or none")
    return int(match[1]), int(match[2])
