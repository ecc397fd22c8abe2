"""What holds for the repository as a whole."""

import re
import tomllib
from importlib.metadata import requires
from pathlib import Path

import pytest

from agent import agent_version
from agent.arguments import parser
from agent.console.frame import one_line
from agent.diagnostics import listing
from agent.doctor.report import CAUSE
from agent.errors import TemporaryError
from agent.host.status import NEWS

ROOT = Path(__file__).parent.parent
PYTHON = sorted(
    path
    for folder in ("agent", "kubectl_node_diagnostic", "vm-tests", "images")
    for path in (ROOT / folder).rglob("*.py")
    if path.is_file()
)


@pytest.mark.parametrize("path", PYTHON, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_module_is_at_most_300_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 300


def test_the_changelog_speaks_of_this_version_or_of_what_comes_next() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert version in headings[1:] or len(headings) == 1
    assert agent_version() == version


def test_no_sdk_of_aws_or_kubernetes_is_required() -> None:
    needed = {
        re.split(r"[^A-Za-z0-9_.-]", line)[0].lower()
        for line in requires("auto-node-agent") or ()
        if "extra" not in line
    }
    assert needed == {"google-re2", "h11", "isal", "pyyaml", "tomli-w"}
    locked = re.findall(r"^([a-z0-9_.-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert not {"boto3", "botocore", "kubernetes", "lightkube", "awscrt"} & set(locked)


def every_command() -> list[tuple[str, str]]:
    """Return each command's words and its help."""

    def below(words: str, found: object) -> list[tuple[str, str]]:
        helps = [(words, found.format_help())]
        for action in found._actions:
            for name, child in (
                (getattr(action, "choices", None) or {}).items() if hasattr(action, "add_parser") else ()
            ):
                helps += below(f"{words} {name}", child)
        return helps

    return below("node-agent", parser())


@pytest.mark.parametrize(("words", "text"), every_command(), ids=[words for words, _ in every_command()])
def test_the_help_of_every_command_carries_an_example(words: str, text: str) -> None:
    assert "example:" in text, words
    assert words.rsplit(maxsplit=1)[-1] in text.partition("example:")[2]


def test_the_tables_of_the_bundle_are_those_of_the_catalogue() -> None:
    written = (ROOT / "docs/bundle.md").read_text().partition("<!-- catalogue -->\n\n")[2]
    assert written == listing.as_markdown(), "run make docs"


def test_the_headline_of_every_broken_node_keeps_its_cause_and_action_on_the_console() -> None:
    rows = [
        line.split(" | `")[1] for line in (ROOT / "docs/broken-nodes.md").read_text().splitlines() if " | `" in line
    ]
    assert len(rows) >= 25
    for row in rows:
        headline = row.removesuffix("` |")
        _, cause, tail = headline.partition(CAUSE)
        assert one_line(headline).endswith(cause + tail)


def test_systemd_starts_the_console_for_news() -> None:
    unit = (ROOT / "units/systemd/system/node-agent-console.path").read_text()
    assert f"\nDirectoryNotEmpty={NEWS}\n" in unit


def test_a_stuck_port_is_no_failure_of_the_consoles_unit() -> None:
    unit = (ROOT / "units/systemd/system/node-agent-console.service").read_text()
    assert f"SuccessExitStatus={TemporaryError.exit_status}\n" in unit
