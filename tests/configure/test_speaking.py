"""What settings.console comes to: the console's file, and a drop-in of its timer."""

import json

from configure.samples import accepted, check, document

from agent.configure import render, speaking
from agent.console import settings as console
from agent.model import CONSOLE_SECTIONS

TABLE = "[settings.console]\n"


def tree(text: str) -> dict[str, str]:
    return {spec.path: spec.content.decode() for spec in speaking.files(accepted(document(rest=text)))}


def test_without_the_table_everything_is_shown_and_the_timer_is_the_units_own() -> None:
    assert json.loads(tree("").pop(speaking.PATH)) == {"schemaVersion": 1, "enabled": True, "sections": None}
    assert set(tree("")) == {speaking.PATH}


def test_the_console_reads_what_was_chosen() -> None:
    text = tree(f'{TABLE}enabled = false\nsections = ["dmesg"]\n')[speaking.PATH]
    assert speaking.PATH == console.PATH
    assert console.parse(text) == console.Settings(enabled=False, sections=frozenset({"dmesg"}))


def test_an_interval_replaces_the_timers_and_starts_it_anew() -> None:
    drop_in = tree(f'{TABLE}interval = "90s"\n')[speaking.TIMER]
    assert drop_in.splitlines()[-4:] == ["[Timer]", "OnActiveSec=", "OnActiveSec=90s", "OnUnitActiveSec=90s"]
    changed = frozenset({speaking.TIMER})
    assert render.needs_reload(changed)
    assert render.restarts(changed) == ("node-agent-console.timer",)


def test_what_the_console_does_not_know_is_refused_by_name() -> None:
    checked = check(document(rest=f'{TABLE}interval = "1s"\nsections = ["kubelets"]\n'))
    said = {verdict.path: verdict.message for verdict in checked.verdicts}
    assert "one minute" in said["settings.console.interval"]
    assert all(name in said["settings.console.sections"] for name in CONSOLE_SECTIONS)
