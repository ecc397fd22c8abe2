"""What configure says to the daemon; a bad file is told, and stops nothing."""

import pytest

from agent.network.settings import Settings, parse


def test_the_mode_is_read_and_a_missing_file_is_the_default() -> None:
    assert parse(None) == Settings(pod_subnet_mode=False)
    assert parse('{"schemaVersion": 1, "podSubnetMode": true}') == Settings(pod_subnet_mode=True)
    assert parse('{"schemaVersion": 1}') == Settings()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"schemaVersion": 2}', '{"schemaVersion": 1, "podSubnetMode": "true"}']
)
def test_a_bad_file_gives_the_defaults_and_says_why(text: str) -> None:
    found = parse(text)
    assert not found.pod_subnet_mode
    assert found.problem is not None
    assert "defaults" in found.problem
