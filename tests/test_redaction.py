import pytest

from agent.redaction import cut_secrets, redact

SIGNED = (
    "https://s3.us-west-2.amazonaws.com/diagnostics/a%20b.tar.gz?X-Amz-Algorithm=AWS4-HMAC-SHA256"
    "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20261122%2Fus-west-2%2Fs3%2Faws4_request&X-Amz-Date=20261122T150000Z"
    "&X-Amz-Expires=3600&X-Amz-SignedHeaders=host&X-Amz-Signature=0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c"
)
KEY = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIAbc\nMHcCAQEEIDef\n-----END EC PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"PUT {SIGNED} failed", "X-Amz-Date"),
        (f"PUT {SIGNED} failed", "0f1e2d3c"),
        ("https://b.s3.amazonaws.com/k?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=abcDEF%3D&Expires=1", "abcDEF"),
        ("?X-Amz-Security-Token=IQoJb3JpZ2luX2VjEXAMPLE&x=1", "IQoJ"),
        ("token k8s-aws-v1.aHR0cHM6Ly9zdHMudXMtd2VzdC0y", "aHR0cHM6"),
        ("Authorization: Bearer abcdef0123456789", "abcdef0123456789"),
        ("https_proxy=http://someone:hunter2@proxy.internal:3128", "hunter2"),
        ("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG", "wJalrXUtnFEMI"),
        ('{"SecretAccessKey": "wJalrXUtnFEMI/K7MDENG"}', "wJalrXUtnFEMI"),
        ("bootstrap-token = 'abcdef.0123456789abcdef'", "0123456789abcdef"),
        ("X-aws-ec2-metadata-token: AQAEAexample==", "AQAEAexample"),
        (KEY, "MHcCAQEEI"),
        ("-----BEGIN PRIVATE KEY-----\nMIIcut off in the middle", "MIIcut"),
        ("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzeXN0ZW0ifQ.c2lnbmF0dXJl", "c2lnbmF0dXJl"),
    ],
)
def test_secret_is_cut_and_counted(text: str, secret: str) -> None:
    cut = cut_secrets(text)
    assert secret in text
    assert secret not in cut.text
    assert cut.count >= 1


@pytest.mark.parametrize(
    "text",
    [
        "I1122 15:04:05.000000 1234 kubelet.go:2412] Node became ready",
        "https://0123.gr7.us-west-2.eks.amazonaws.com/api/v1/nodes?limit=500&resourceVersion=0",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        "password authentication is off",
    ],
)
def test_plain_text_is_left(text: str) -> None:
    assert redact(text) == text


def test_where_a_secret_was_can_be_seen() -> None:
    assert redact(SIGNED) == "https://s3.us-west-2.amazonaws.com/diagnostics/a%20b.tar.gz?<redacted>"


def test_what_follows_a_private_key_is_kept() -> None:
    assert redact(f"{KEY}\nafter") == "-----BEGIN EC PRIVATE KEY-----<redacted>-----END EC PRIVATE KEY-----\nafter"


def test_cutting_twice_changes_nothing() -> None:
    once = redact(f"{SIGNED}\n{KEY}\npassword: x")
    assert redact(once) == once
