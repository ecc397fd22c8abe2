"""Writes the image's CycloneDX SBOM and its application inventory: sbom.py TREE OUTPUT."""

import json
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from email.parser import Parser
from pathlib import Path
from urllib.parse import quote

AGENT = "usr/lib/node-agent"
# The epoch of the image, in SourceDateEpoch of mkosi.conf: the same input gives the same file.
TIME = "2026-01-01T00:00:00Z"


@dataclass(frozen=True, order=True)
class Component:
    """One package of the image, whoever packs it."""

    name: str
    version: str
    publisher: str
    summary: str
    purl: str
    architecture: str = "x86_64"

    def cyclonedx(self) -> dict[str, str]:
        kind = "application" if self.purl.startswith("pkg:golang") else "library"
        fields = {"type": kind, "bom-ref": self.purl, "name": self.name, "version": self.version}
        return {**fields, "purl": self.purl, "description": self.summary}

    def inventory(self) -> dict[str, str]:
        return {
            "Name": self.name,
            "Publisher": self.publisher,
            "Version": self.version,
            "Architecture": self.architecture,
            "ApplicationType": "Unspecified",
            "InstalledTime": TIME,
            "Summary": self.summary,
        }


def main() -> None:
    tree, output = Path(sys.argv[1]), Path(sys.argv[2])
    components = sorted({*debian(tree), *python(tree), *kubernetes(tree)})
    inventory = output / "application-inventory.json"
    write(inventory, {"Content": [component.inventory() for component in components]})
    write(output / "sbom.cdx.json", document(components))
    shutil.copy(inventory, tree / "usr/share/node-agent")


def debian(tree: Path) -> Iterator[Component]:
    """Yield the installed packages of the tree's package database."""
    for stanza in (tree / "var/lib/dpkg/status").read_text().split("\n\n"):
        fields = Parser().parsestr(stanza)
        if fields["Status"] == "install ok installed":
            name, version, architecture = fields["Package"], fields["Version"], fields["Architecture"]
            purl = f"pkg:deb/debian/{quote(name)}@{quote(version)}?arch={architecture}&distro=trixie"
            summary = fields["Description"].splitlines()[0]
            yield Component(name, version, fields["Maintainer"], summary, purl)


def python(tree: Path) -> Iterator[Component]:
    """Yield the agent and the distributions beside it."""
    for metadata in (tree / AGENT).glob("*.dist-info/METADATA"):
        fields = Parser().parsestr(metadata.read_text())
        name, version = fields["Name"], fields["Version"]
        purl = f"pkg:pypi/{quote(name.lower().replace('_', '-'))}@{quote(version)}"
        yield Component(name, version, fields["Author"] or "", fields["Summary"] or "", purl)


def kubernetes(tree: Path) -> Iterator[Component]:
    """Yield kubelet, as it names itself."""
    done = subprocess.run([tree / "usr/bin/kubelet", "--version"], capture_output=True, text=True, check=True)
    version = done.stdout.split()[-1]
    purl = f"pkg:golang/k8s.io/kubernetes@{version}#cmd/kubelet"
    yield Component("kubelet", version, "The Kubernetes Authors", "Kubernetes node agent", purl)


def document(components: list[Component]) -> dict[str, object]:
    """Return a CycloneDX 1.5 document; its serial number follows from the components."""
    purls = "\n".join(component.purl for component in components)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, purls)}",
        "version": 1,
        "metadata": {"timestamp": TIME, "component": {"type": "operating-system", "name": "node", "version": "trixie"}},
        "components": [component.cyclonedx() for component in components],
    }


def write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")


main()
