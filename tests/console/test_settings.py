"""What an operator may choose of the console."""

import pytest

from agent.console.settings import Settings, parse


def test_without_a_file_everything_is_shown() -> None:
    assert parse(None) == Settings()
    assert Settings().shows("dmesg")


def test_sections_and_off() -> None:
    chosen = parse('{"enabled": false, "sections": ["dmesg"]}')
    assert not chosen.enabled
    assert chosen.shows("dmesg")
    assert not chosen.shows("cpu")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"sections": "dmesg", "enabled": "no"}'])
def test_what_cannot_be_read_gives_the_defaults(text: str) -> None:
    assert parse(text) == Settings()
