import io

import pytest

from agent import log


@pytest.fixture
def lines() -> io.StringIO:
    stream = io.StringIO()
    log.set_up(stream)
    return stream


def test_event_is_one_line_with_a_journald_priority(lines: io.StringIO) -> None:
    log.get("network").warning("no answer", url="http://169.254.169.254", reason="timed out\nafter 1 s")
    assert lines.getvalue() == "<4>no answer reason='timed out\\nafter 1 s' room=network url=http://169.254.169.254\n"


def test_secrets_are_cut_in_events_and_values(lines: io.StringIO) -> None:
    url = "https://s3.us-west-2.amazonaws.com/b/k?X-Amz-Credential=AKIAIOSFODNN7EXAMPLE&X-Amz-Signature=feedface"
    log.get("diagnostics").error(f"cannot put {url}", url=url, token="k8s-aws-v1.aHR0cHM6Ly9z")
    text = lines.getvalue()
    assert "feedface" not in text
    assert "AKIAIOSFODNN7EXAMPLE" not in text
    assert "aHR0cHM6Ly9z" not in text
    assert text.count("<redacted>") == 3


def test_debug_is_silent(lines: io.StringIO) -> None:
    log.get("network").debug("nothing changed")
    assert lines.getvalue() == ""
