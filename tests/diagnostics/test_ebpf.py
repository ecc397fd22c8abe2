"""Which build of the network policy agent's tool is asked."""

from collections.abc import Sequence

import pytest

from agent.diagnostics import ebpf
from agent.outputs import Commands, PerItem, Withheld

V4, V6 = "/usr/bin/aws-eks-na-cli", "/usr/bin/aws-eks-na-cli-v6"
CNI_V4, CNI_V6 = "/opt/cni/bin/aws-eks-na-cli", "/opt/cni/bin/aws-eks-na-cli-v6"


def chosen(there: Sequence[str], target: str = "") -> str:
    """Return the tool that both outputs ask."""
    loaded, maps = (build.choose(there, target) for build in (ebpf.loaded(), ebpf.maps()))
    assert isinstance(loaded, Commands)
    assert isinstance(maps, PerItem)
    assert maps.listing == loaded
    ((tool, *words),) = loaded.argvs
    assert words == ["ebpf", "loaded-ebpfdata"]
    return tool


def test_both_folders_are_looked_at_the_system_first() -> None:
    assert ebpf.loaded().paths == ebpf.maps().paths == (V4, CNI_V4, V6, CNI_V6)
    assert ebpf.loaded().link == "/run/aws-network-policy-agent/aws-eks-na-cli"


@pytest.mark.parametrize(
    ("there", "target", "tool"),
    [
        ([V4, V6], V6, V6),
        ([V4, V6], V4, V4),
        ([V4, CNI_V4, V6, CNI_V6], CNI_V6, CNI_V6),
        # Relative, or in a folder under another name: the build is what counts.
        ([V4, V6], "../../usr/bin/aws-eks-na-cli-v6", V6),
        ([V4, V6], "/bin/aws-eks-na-cli-v6", V6),
        # Without a link the only build is the one that fits, in whichever folder.
        ([V4, CNI_V4], "", V4),
        ([CNI_V4], "", CNI_V4),
        ([CNI_V6], "", CNI_V6),
        # A link to nothing says nothing, and one to something else is not followed.
        ([V4], V6, V4),
        ([V4], "/tmp/evil", V4),
    ],
)
def test_one_tool_is_asked(there: list[str], target: str, tool: str) -> None:
    assert chosen(there, target) == tool


@pytest.mark.parametrize("target", ["", "/tmp/evil"])
def test_two_builds_without_a_link_are_not_guessed_between(target: str) -> None:
    for build in (ebpf.loaded(), ebpf.maps()):
        said = build.choose([V4, CNI_V4, V6], target)
        assert isinstance(said, Withheld)
        assert said.reason.startswith("the node's IP family is unknown: it has aws-eks-na-cli and aws-eks-na-cli-v6")
        assert "see whether aws-network-policy-agent runs" in said.reason


def test_without_the_tool_there_is_nothing_to_take() -> None:
    said = ebpf.loaded().choose([], V6)
    assert said == Withheld("aws-eks-na-cli and aws-eks-na-cli-v6 are neither in /usr/bin nor in /opt/cni/bin")


def test_each_map_is_dumped_once() -> None:
    loaded = "PinPath: /sys/fs/bpf/x\nMap Name: ingress_map\nMap ID: 12\nMap ID: 13\nMap ID: 12\nMap ID: none\n"
    maps = ebpf.maps().choose([V4], "")
    assert isinstance(maps, PerItem)
    assert [step.argv for step in maps.plan(loaded)] == [(V4, "ebpf", "dump-maps", number) for number in ("12", "13")]
