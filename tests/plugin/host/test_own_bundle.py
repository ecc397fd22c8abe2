"""A bundle as the agent itself writes it, read by the plug-in."""

from pathlib import Path

from agent.host.archive import Archive
from kubectl_node_diagnostic import bundle, report, summary

POD = "var_log/kube-system_eks-pod-identity-agent-abcde_12345678-1234-1234-1234-123456789012/eks-pod-identity-agent"
# Short and long entries, whose headers the agent writes in two ways.
FILES = {
    f"{POD}/0.log": b"short",
    f"{POD}/1.log": b"long\n" * 100_000,
    f"{POD}/bad\udcff\nname": b"",
    "doctor.json": b"{}",
}


def test_long_names_are_read_as_they_were(tmp_path: Path) -> None:
    place = tmp_path / "bundle.tar.gz"
    with Archive(place) as archive:
        for name, content in FILES.items():
            archive.begin(name, 1.0)
            archive.write(content)
            archive.end()
        archive.seal()
    with place.open("rb") as file:
        found = [(entry.path, b"".join(entry.content.chunks()), entry.odd) for entry in bundle.entries(file)]
        assert found == [(name, content, "") for name, content in FILES.items()]
        file.seek(0)
        said = report.whole(summary.read(bundle.entries(file)))
    assert "content     4 files" in said
    assert "not touched" not in said
