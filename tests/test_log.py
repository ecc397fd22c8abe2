import pytest

from agent import log


def test_event_is_one_line_with_a_journald_priority(capsys: pytest.CaptureFixture[str]) -> None:
    log.get("network").warning("no answer", url="http://169.254.169.254", reason="timed out\nafter 1 s")
    line = "<4>no answer reason='timed out\\nafter 1 s' room=network url=http://169.254.169.254\n"
    assert capsys.readouterr().err == line


def test_levels_have_journald_priorities(capsys: pytest.CaptureFixture[str]) -> None:
    log.get("network").info("up")
    log.get("network").error("gone")
    assert capsys.readouterr().err == "<6>up room=network\n<3>gone room=network\n"


def test_secrets_are_cut_in_events_and_values(capsys: pytest.CaptureFixture[str]) -> None:
    url = "https://s3.us-west-2.amazonaws.com/b/k?X-Amz-Credential=AKIAIOSFODNN7EXAMPLE&X-Amz-Signature=feedface"
    log.get("diagnostics").error(f"cannot put {url}", url=url, token="k8s-aws-v1.aHR0cHM6Ly9z")
    text = capsys.readouterr().err
    assert "feedface" not in text
    assert "AKIAIOSFODNN7EXAMPLE" not in text
    assert "aHR0cHM6Ly9z" not in text
    assert text.count("<redacted>") == 3
