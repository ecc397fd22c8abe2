"""The tools root and its like: a Debian trixie tree with the programs that build images and run the world."""

from pathlib import Path

from tools import apt, cache, progress
from tools.commands import Build

PACKAGES = (
    # builds the image
    "bubblewrap",
    "ca-certificates",
    "cpio",
    "cryptsetup-bin",
    "dosfstools",
    "e2fsprogs",
    "fdisk",
    "kmod",
    "mkosi",
    "mtools",
    "python3-pefile",
    "squashfs-tools",
    "systemd",
    "systemd-boot-efi",
    "systemd-boot-tools",
    "systemd-repart",
    "systemd-ukify",
    "xfsprogs",
    "zstd",
    # runs the world
    "busybox-static",  # all that is in the world's container image
    "chrony",
    "dnsmasq-base",
    "docker-registry",
    "etcd-server",
    "iproute2",
    "nftables",
    "ovmf",
    "qemu-system-x86",
    "qemu-utils",
    "tinyproxy-bin",
    "whois",  # mkpasswd, for the registry's users
)
OPTIONS = (
    "--variant=apt",
    "--mode=root",
    '--aptopt=APT::Install-Recommends "false"',
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
)


def root() -> Path:
    """Return the tools root; enter it with enter_command."""
    return _tree("root", PACKAGES)


def go_root() -> Path:
    """Return a root with a Go compiler that can fetch a newer one, for machines whose own is too old."""
    return _tree("go", ("ca-certificates", "golang-go", "mount"))


def runtime_root() -> Path:
    """Return a root with the containerd that the node image has: the release's own."""
    return _tree("runtime", ("containerd", "iproute2", "mount", "python3", "runc"))


def _tree(kind: str, packages: tuple[str, ...]) -> Path:
    def build(folder: Path) -> None:
        with progress.step(f"{kind}: {len(packages)} packages of Debian {apt.SUITE} and what they need"):
            _bootstrap(folder, packages)

    return cache.entry(kind, cache.key(apt.SUITE, *OPTIONS, *packages), build) / "tree"


def _bootstrap(folder: Path, packages: tuple[str, ...]) -> None:
    lines = [source.line for source in apt.sources()]
    target = [f"--include={','.join(packages)}", apt.SUITE, str(folder / "tree")]
    Build(folder / "log").run(["mmdebstrap", *OPTIONS, *target, *lines])
    (folder / "mount").mkdir()  # where enter.sh mounts its private copy
