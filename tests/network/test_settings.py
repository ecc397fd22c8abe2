"""What configure says to the daemon; a bad file is told, and stops nothing."""

import pytest

from agent.network.settings import Settings, parse


def test_the_mode_is_read_and_a_missing_file_is_the_default() -> None:
    before = Settings(pod_subnet_mode=True)
    assert parse(None, before) == Settings(pod_subnet_mode=False)
    assert parse('{"schemaVersion": 1, "podSubnetMode": true}', Settings()) == Settings(pod_subnet_mode=True)
    assert parse('{"schemaVersion": 1}', before) == Settings()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"schemaVersion": 2}', '{"schemaVersion": 1, "podSubnetMode": "true"}']
)
@pytest.mark.parametrize("mode", [True, False])
def test_a_bad_file_changes_nothing_and_says_why(text: str, *, mode: bool) -> None:
    found = parse(text, Settings(pod_subnet_mode=mode))
    assert found.pod_subnet_mode is mode
    assert found.problem is not None
    assert "as it was" in found.problem
