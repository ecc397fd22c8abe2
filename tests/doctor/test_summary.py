"""The summary of what the daemons did."""

from agent.doctor.summary import as_text


def test_a_daemon_a_paragraph() -> None:
    text = as_text(
        {
            "configure": {"state": "ok", "updatedAt": "2026-11-22T15:00:00Z", "message": "nothing changed"},
            "network": {"state": "waiting", "message": "word " * 30},
        }
    )
    lines = text.splitlines()
    assert lines[0] == "configure    ok        2026-11-22T15:00:00Z  nothing changed"
    assert lines[1].startswith("network      waiting ")
    assert lines[2].startswith(" " * 13 + "word")
    assert max(map(len, lines)) <= 80


def test_where_nobody_has_reported_it_says_where_to_look() -> None:
    assert "systemctl" in as_text({})
