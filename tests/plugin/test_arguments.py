"""The command line: what is taken, and how what is not is refused."""

from typing import Any

import pytest

from kubectl_node_diagnostic.arguments import parser


def test_the_defaults() -> None:
    options = parser().parse_args(["collect", "a", "--node"])
    assert (options.category, options.parallel, options.timeout, options.expires) == (("All",), 16, 1800, 3600)


@pytest.mark.parametrize(
    ("words", "name", "value"),
    [
        (["--category", "system,BASE,system"], "category", ("System", "Base")),
        (["--timeout", "90"], "timeout", 90),
        (["--expires", "2h"], "expires", 7200),
        (["--parallel", "200"], "parallel", 200),
        (["-l", "a=b"], "selector", "a=b"),
    ],
)
def test_values(words: list[str], name: str, value: Any) -> None:
    assert getattr(parser().parse_args(["collect", "--node", *words]), name) == value


@pytest.mark.parametrize("command", ["collect", "show", "status", "clean"])
def test_the_help_of_every_command_carries_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args([command, "--help"])
    assert f"example:\n  kubectl node-diagnostic {command}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        ["a"],
        ["a", "--node", "--s3", "s3://b"],
        ["a", "--node", "--category", "Everything"],
        ["a", "--node", "--timeout", "0"],
        ["a", "--node", "--expires", "169h"],
        ["a", "--node", "--parallel", "0"],
        ["a", "--node", "--parallel", "257"],
    ],
)
def test_what_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        parser().parse_args(["collect", *words])
    assert end.value.code == 2
    assert "usage:" in capsys.readouterr().err
