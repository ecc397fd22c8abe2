import base64
import json
from datetime import UTC, datetime

import pytest

from agent.diagnostics import form
from agent.errors import SettingsError

URL = "https://s3.us-west-2.amazonaws.com/diagnostics"
POLICY = base64.b64encode(json.dumps({"expiration": "2026-11-22T16:00:00Z", "conditions": []}).encode()).decode()
DEEP = base64.b64encode(b"[" * 100_000).decode()
FIELDS = {"x-amz-signature": "0f1e2d3c4b5a", "policy": POLICY, "key": "a/${filename}", "acl": "private"}
ID = "0b8e0d1c-6a5e-4a0e-9f5e-2f1f4a3c9d10"


def test_a_form_says_when_it_ends_and_shows_no_secret() -> None:
    found = form.parse(URL, FIELDS)
    assert found.expires == datetime(2026, 11, 22, 16, tzinfo=UTC)
    assert found.secrets() >= {"0f1e2d3c4b5a", POLICY}
    assert "a/${filename}" not in found.secrets()
    assert "0f1e2d3c4b5a" not in repr(found)
    assert not found.overwrites


@pytest.mark.parametrize("policy", ["", "!", base64.b64encode(b"[]").decode(), base64.b64encode(b"{}").decode(), DEEP])
def test_a_policy_that_does_not_say_when_it_ends(policy: str) -> None:
    assert form.parse(URL, {**FIELDS, "policy": policy}).expires is None


@pytest.mark.parametrize(
    ("url", "fields", "problem"),
    [
        ("http://example.com/", FIELDS, "not an https URL"),
        (URL, {}, "has no key"),
        (URL, {**FIELDS, "success_action_redirect": "https://example.com/"}, "redirects are not followed"),
        (URL, {**FIELDS, "Redirect": "https://example.com/"}, "redirects are not followed"),
        (URL, {**FIELDS, "file": "x"}, "a field named file"),
    ],
)
def test_what_is_refused_before_anything_is_captured(url: str, fields: dict[str, str], problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        form.parse(url, fields)


def test_the_fields_come_in_order_with_the_file_last() -> None:
    around = form.envelope(form.parse(URL, FIELDS), ID, "capture.pcap00003.gz", "b0")
    assert around.content_type == "multipart/form-data; boundary=b0"
    assert around.before.decode() == (
        f'--b0\r\nContent-Disposition: form-data; name="key"\r\n\r\na/{ID}/capture.pcap00003.gz\r\n'
        '--b0\r\nContent-Disposition: form-data; name="acl"\r\n\r\nprivate\r\n'
        f'--b0\r\nContent-Disposition: form-data; name="policy"\r\n\r\n{POLICY}\r\n'
        '--b0\r\nContent-Disposition: form-data; name="x-amz-signature"\r\n\r\n0f1e2d3c4b5a\r\n'
        '--b0\r\nContent-Disposition: form-data; name="file"; filename="capture.pcap00003.gz"\r\n'
        "Content-Type: application/gzip\r\n\r\n"
    )
    assert around.after == b"\r\n--b0--\r\n"
    assert "0f1e2d3c4b5a" not in repr(around)


def test_a_name_of_a_field_cannot_end_its_header() -> None:
    around = form.envelope(form.parse(URL, {"key": "a", 'x"\r\ny': "1"}), ID, "n", "b0")
    assert b'name="x%22%0D%0Ay"' in around.before


def test_a_key_without_a_place_for_the_name_is_kept() -> None:
    found = form.parse(URL, {"key": "a"})
    assert found.overwrites
    assert form.key("a", ID, "n") == "a"
