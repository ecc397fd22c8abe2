import json
import tomllib

import pytest
import yaml

from agent.redaction import CUT, cut_secrets, redact

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
        ("&Signature=abcDEF%3D&Expires=1700000000", "abcDEF"),
        ("token k8s-aws-v1.aHR0cHM6Ly9zdHMudXMtd2VzdC0y", "aHR0cHM6"),
        ("Authorization: Bearer abcdef0123456789", "abcdef0123456789"),
        ("authorization: Basic dXNlcjpodW50ZXIy", "dXNlcjpodW50ZXIy"),
        ("Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/2026, Signature=0f1e2d3c", "0f1e2d3c"),
        ("https_proxy=http://someone:hunter2@proxy.internal:3128", "hunter2"),
        ("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG", "wJalrXUtnFEMI"),
        ('{"SecretAccessKey": "wJalrXUtnFEMI/K7MDENG"}', "wJalrXUtnFEMI"),
        ("found AKIAIOSFODNN7EXAMPLE", "IOSFODNN7EXAMPLE"),
        ("session IQoJb3JpZ2luX2VjEAAaCXVzLXdlc3QtMiJHMEUCIQ==", "CXVzLXdlc3QtMi"),
        ("docker login QVdTOmV5SndZWGxzYjJGa0lqb2lhR", "SndZWGxzYjJGa0lqb2lhR"),
        ("bootstrap-token = 'abcdef.0123456789abcdef'", "0123456789abcdef"),
        ("X-aws-ec2-metadata-token: AQAEAexample==", "AQAEAexample"),
        (KEY, "MHcCAQEEI"),
        ("-----BEGIN PRIVATE KEY-----\nMIIcut off in the middle", "MIIcut"),
        ("-----BEGIN PGP PRIVATE KEY BLOCK-----\nlQOY", "lQOY"),
        ("LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0tLQpNSUlFb3c=", "UFJJVkFURSBLRVkt"),
        ("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzeXN0ZW0ifQ.c2lnbmF0dXJl", "c2lnbmF0dXJl"),
        ('{"auths": {"registry.example": {"auth": "dXNlcjpodW50ZXIy"}}}', "dXNlcjpodW50ZXIy"),
        ('identitytoken = "hunter2hunter2"', "hunter2"),
        ("net.ipv6.conf.all.stable_secret = 2001:db8::1", "2001:db8::1"),
        ("net.ipv4.tcp_fastopen_key = 0f1e2d3c-4b5a6978-8796a5b4-c3d2e1f0", "0f1e2d3c"),
        ("mysqld --user root --password hunter2 --port 1", "hunter2"),
        ('"args": ["--token", "hunter2"]', "hunter2"),
        ('"env": ["DB_PASSWORD=hunter2 and more"]', "and more"),
        ('{"name": "API_KEY", "value": "hunter2"}', "hunter2"),
        ("client-key-data: TUhjQ0FRRUVJ", "TUhjQ0FRRUVJ"),
        ("    token: 3f2b9c0de1a2", "3f2b9c0de1a2"),
        ('{"msg": "{\\"password\\": \\"hunter2\\"}"}', "hunter2"),
        ('password: "two words, and \\" more"', "more"),
        ("password='it\"s secret'", "secret"),
        ('password="never closed', "never"),
        ("ghp_0123456789abcdefghijABCDEFGHIJ012345", "abcdefghij"),
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
        'failed to mount secret="kube-system/regcred" of pod="kube-system/coredns-0"',
        "PWD=/root tokens=5 --token-file /var/run/token",
        "unexpected token in line 4",
        'password=""',
        '{"password": null, "secret": false}',
        "password: |",
        "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t",
    ],
)
def test_plain_text_is_left(text: str) -> None:
    assert cut_secrets(text).text == text
    assert cut_secrets(text).count == 0


def test_where_a_secret_was_can_be_seen() -> None:
    assert redact(SIGNED) == "https://s3.us-west-2.amazonaws.com/diagnostics/a%20b.tar.gz?<redacted>"


def test_what_follows_a_private_key_is_kept() -> None:
    assert redact(f"{KEY}\nafter") == "-----BEGIN EC PRIVATE KEY-----<redacted>-----END EC PRIVATE KEY-----\nafter"


def test_cutting_twice_changes_nothing() -> None:
    once = cut_secrets(
        f'{SIGNED}\n{KEY}\npassword: x\n"token": "a b"\n--secret x\nclient-key-data: LS0tLS1CRUdJTiBSU0Eg'
    )
    assert cut_secrets(once.text) == type(once)(once.text, 0)


@pytest.mark.parametrize(
    "value", ["hunter2", 'a "quoted" \\ word', "x, y} ]", 12345, -1.5e3, True, None, "", ["a"], {"b": "c"}]
)
@pytest.mark.parametrize("indent", [None, 2])
def test_json_stays_json_and_yaml_yaml(value: object, indent: int | None) -> None:
    before = {"password": value, "auth": {"DB_TOKEN": value}, "after": [f"http://a:{value}@b", "x"], "nested": "{}"}
    text = json.dumps(before, indent=indent)
    after = json.loads(redact(text))
    assert after.keys() == before.keys()
    assert yaml.safe_load(redact(text)) == after
    if isinstance(value, str) and value:
        assert after["password"] == CUT
    inside = json.loads(redact(json.dumps({"message": text, "then": 1})))
    assert inside["then"] == 1


def test_yaml_and_toml_stay_what_they_were() -> None:
    flow = yaml.safe_load(redact("a: {password: hunter2, user: x}\nb: [--token, abc]\nc: &x {secret: 'a b'}\n"))
    assert flow["a"] == {"password": CUT, "user": "x"}
    assert flow["c"] == {"secret": CUT}
    table = tomllib.loads(redact('password = "hunter2"\ntoken = 5\n[auth]\nauth = "dXNlcjpw"\nsecret = \'x y\'\n'))
    assert table == {"password": CUT, "token": CUT, "auth": {"auth": CUT, "secret": CUT}}
