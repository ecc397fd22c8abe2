"""The node image, built by mkosi from images/, units/, the agent's packages and kubelet."""

import shutil
import struct
from dataclasses import dataclass
from pathlib import Path

from tools import apt, binaries, cache, progress, trees, wheels
from tools.commands import Build, BuildError
from tools.enter import enter_command

IMAGES = wheels.REPOSITORY / "images"
UNITS = wheels.REPOSITORY / "units"


@dataclass(frozen=True)
class Image:
    """A built node image; the folder that holds it must not be written to."""

    disk: Path  # raw: ESP with the UKI, squashfs root, verity hashes
    kernel: Path
    initrd: Path
    command_line: str  # with roothash=, for a direct boot of kernel and initrd
    sbom: Path  # CycloneDX
    inventory: Path  # as in the image, /usr/share/node-agent/application-inventory.json


def image() -> Image:
    """Return the node image of this work tree."""
    site, kubelet = wheels.site(), binaries.binary("kubelet")
    base, initrd = _stage("base") / "tree", _stage("initrd") / "initrd.cpio.zst"
    parts = (str(base), str(initrd), str(site), str(kubelet), Path(__file__), IMAGES / "node", UNITS)

    def build(folder: Path) -> None:
        with progress.step("image: disk"):
            work = _sources(folder, "node")
            _lay_out(work / "mkosi.extra/usr", site, kubelet)
            options = [f"--base-tree={base}", f"--initrd={initrd}"]
            _mkosi(folder, options, binds=[base, initrd])
            (folder / "node.cmdline").write_text(_command_line(folder / "node.efi"))

    folder = cache.entry("image", cache.key(*parts), build)
    return Image(
        disk=folder / "node.raw",
        kernel=folder / "node.vmlinuz",
        initrd=folder / "node.initrd",
        command_line=(folder / "node.cmdline").read_text(),
        sbom=folder / "sbom.cdx.json",
        inventory=folder / "application-inventory.json",
    )


def _stage(name: str) -> Path:
    """Return the folder of a part that only packages go into, so that it outlives most changes."""

    def build(folder: Path) -> None:
        with progress.step(f"image: {name}"):
            _sources(folder, name)
            _mkosi(folder, [], binds=[])

    return cache.entry(f"image-{name}", cache.key(str(trees.root()), IMAGES / name), build)


def _sources(folder: Path, name: str) -> Path:
    work = folder / "work"
    shutil.copytree(IMAGES / name, work, symlinks=True)
    sources = work / "mkosi.sandbox/etc/apt/sources.list.d"
    sources.mkdir(parents=True)
    # Without this file mkosi adds repositories of its own, which a closed network does not reach.
    (sources / "mkosi.sources").write_text("\n".join(source.stanza for source in apt.sources()))
    return work


def _lay_out(usr: Path, site: Path, kubelet: Path) -> None:
    for folder in (path for path in UNITS.iterdir() if path.is_dir()):
        shutil.copytree(folder, usr / "lib" / folder.name, dirs_exist_ok=True)
    shutil.copytree(site, usr / "lib/node-agent")
    shutil.copy2(kubelet, usr / "bin/kubelet")


def _mkosi(folder: Path, options: list[str], binds: list[Path]) -> None:
    work, workspace, downloads = folder / "work", folder / "workspace", cache.shared("packages")
    workspace.mkdir()
    places = [f"--directory={work}", f"--output-directory={folder}", f"--workspace-directory={workspace}"]
    argv = ["mkosi", *places, f"--package-cache-directory={downloads}", *options, "build"]
    Build(folder / "log").run(enter_command(argv, [folder, downloads, *binds]))
    shutil.rmtree(work)
    shutil.rmtree(workspace)


def _command_line(uki: Path) -> str:
    """Return the kernel command line of a unified kernel image, which mkosi gave the root hash."""
    image = uki.read_bytes()
    (header,) = struct.unpack_from("<I", image, 0x3C)  # PE/COFF: the offset of the signature
    count, optional = struct.unpack_from("<H12xH", image, header + 6)
    for number in range(count):
        section = header + 24 + optional + 40 * number
        name, size, _, _, offset = struct.unpack_from("<8sIIII", image, section)
        if name == b".cmdline":
            return image[offset : offset + size].rstrip(b"\0\n").decode()
    raise BuildError(f"{uki.name} has no section .cmdline: see the log of mkosi beside it")
