import json
import tomllib

import pytest
import yaml

from agent.redaction import cut_secrets, redact
from agent.redaction_cuts import CUT

SIGNED = (
    "https://s3.us-west-2.amazonaws.com/diagnostics/a%20b.tar.gz?X-Amz-Algorithm=AWS4-HMAC-SHA256"
    "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20261122%2Fus-west-2%2Fs3%2Faws4_request&X-Amz-Date=20261122T150000Z"
    "&X-Amz-Expires=3600&X-Amz-SignedHeaders=host&X-Amz-Signature=0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c"
)
CRI = "2026-11-22T15:04:05.000000000Z stdout F "
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
        ("LS0tLS1CRUdJTiBEU0EgUFJJVkFURSBLRVktLS0tLQpNSUlFb3c=", "UFJJVkFURSBLRVkt"),
        ("LS0tLS1CRUdJTiBQR1AgUFJJVkFURSBLRVkgQkxPQ0stLS0tLQ==", "SBLRVkgQkxP"),
        ("x-eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzeXN0ZW0ifQ.c2lnbmF0dXJl", "c2lnbmF0dXJl"),
        ("http://a?b http://c?X-Amz-Date=1&X-Amz-Signature=0f1e", "Date"),
        ("http_proxy=http://u:p@hunter2@proxy:3128", "hunter2"),
        ("http://u:a\\u0026hunter2@proxy:3128", "hunter2"),
        ("password=abc/hunter2", "hunter2"),
        ('token: "kube-system/hunter2"', "hunter2"),
        ("client_secret=abc/hunter2", "hunter2"),
        ("secret: 0f1e/Hunter2", "Hunter2"),
        ("password: 'it''s hunter2'", "hunter2"),
        ('--password "hunter2 x" --port 1', "hunter2"),
        ("--password 'hunter2 x'", "x"),
        ("'--password' 'hunter2'", "hunter2"),
        ("--db-pass hunter2", "hunter2"),
        ('["--token", "two hunter2"]', "hunter2"),
        ('["--token",\n "hunter2"]', "hunter2"),
        ("args:\n- --token\n- hunter2", "hunter2"),
        ("DB_PASS=hunter2", "hunter2"),
        ("DB_PASS=12345", "12345"),
        ("db_pass: hunter2", "hunter2"),
        ("pass: hunter2", "hunter2"),
        ('pass: "two hunter2"', "hunter2"),
        ("username=x,pass=hunter2,vers=3", "hunter2"),
        ('psk="hunter2"', "hunter2"),
        ("wpa_psk=hunter2", "hunter2"),
        ("PresharedKey = hunter2", "hunter2"),
        ("Cookie: a=b; session=hunter2", "hunter2"),
        ('"Set-Cookie": ["session=hunter2"]', "hunter2"),
        ("curl -u admin:hunter2 https://x", "hunter2"),
        ("curl -sS --user 'admin:hunter2' https://x", "hunter2"),
        ('["curl", "-u", "admin:hunter2"]', "hunter2"),
        ("<SecretAccessKey>hunter2</SecretAccessKey>", "hunter2"),
        ('user-data = "hunter2"', "hunter2"),
        ('"UserData": "IyEvYmluL2Jhc2gKaHVudGVyMgo="', "IyEvYmlu"),
        ("userData: IyEvYmluL2Jhc2gKaHVudGVyMgoIyEvYmluL2Jhc2gK", "IyEvYmlu"),
        ('password = """hunter2"""', "hunter2"),
        ("password = '''hunter2'''", "hunter2"),
        ('user-data = """\n#!/bin/sh\nhunter2\n"""', "hunter2"),
        ('password = """\na \\""" hunter2\n"""', "hunter2"),
        ('{"toml": "password = \\"\\"\\"hunter2\\"\\"\\""}', "hunter2"),
        ('"token": ["hunter2", "b"]', "hunter2"),
        ('tokens = [\n  "a", # first\n  "hunter2",\n]', "hunter2"),
        ('{"toml": "tokens = [\\"hunter2\\"]"}', "hunter2"),
        ("tokens: [a, hunter2]", "hunter2"),
        ("password: |\n  a\n\n  hunter2\n", "hunter2"),
        ("a:\n- token: >-  # folded\n    hunter2\n", "hunter2"),
        ("password:\n  hunter2\n", "hunter2"),
        ('"password":\n   "hunter2"', "hunter2"),
        ("tokens:\n- a\n- 'hunter2 x'\n", "hunter2"),
        ("- name: DB_PASSWORD\n  value: hunter2\n", "hunter2"),
        ('[{"name": "DB_PASSWORD",\n  "value": "hunter2"}]', "hunter2"),
        (f"{CRI}password: |\n{CRI}  hunter2\n", "hunter2"),
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
        "secret: kube-system/regcred",
        "client-key: /var/lib/kubelet/pki/kubelet-client-current.pem",
        "private_key = '/etc/ssl/private/tls.key'",
        "tokenFile: /var/run/secrets/token --password-file /etc/x --token-file=/x",
        "pass: 12 tests",
        "pass: 12",
        "pass: all of them",
        "PASS: test-upload",
        "bypass=1 compass: north bypass-token-cache: 1",
        "token: none, password=<nil> secret: *****",
        "tokens: 5",
        '"tokens": [1, 2.5, null, true]',
        "cookie=0x2a, duration=5s",
        "docker run --user 1000:1000 -u 0:0",
        "http://proxy:3128/a@b http://u@proxy:3128/",
        "user-data: the settings could not be read",
        '"userData": "invalid"',
        "usage: login --token <token>\n",
        "secret:\n  secretName: regcred\n  optional: true\n",
        "imagePullSecrets:\n- name: regcred\nsecrets:\n- name: a\n",
        "  password: |\n  user: x\n",
        "invalid password:\n    at login (login.js:10)\n",
        "resources:\n- secrets\n- tokens\n",
        "- name: my-token\n  type: Opaque\n",
        '{"msg": "no password=", "next": "y", "token": ""}',
        '["--token ", "x", "--secret", "--verbose"]',
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


@pytest.mark.parametrize("word", ["password=", "token: [", "--token ", "secret: ", "pass=", "user-data = ", "Cookie: "])
def test_a_string_that_ends_with_a_name_ends_there(word: str) -> None:
    before = {"msg": word, "then": f"a {word}", "list": [word, word], "password": word, "last": word}
    after = json.loads(redact(json.dumps(before)))
    assert after == {**before, "password": CUT}
    inside = json.loads(redact(json.dumps({"message": json.dumps(before), "then": 1})))
    assert inside["then"] == 1


def test_lists_blocks_and_triple_quotes_keep_their_format() -> None:
    secrets = {"tokens": ["x", "y ] z"], "user": "me", "token": ["a"], "n": {"password": ["b", 5]}}
    for text in (json.dumps(secrets), json.dumps(secrets, indent=2)):
        assert json.loads(redact(text)) == {
            "tokens": [CUT, CUT],
            "user": "me",
            "token": [CUT],
            "n": {"password": [CUT, 5]},
        }
    for style in ("|", ">"):
        long = {"a": {"password": "x y\n\nz: w\n", "user": "me"}, "b": [{"token": "x" * 200}]}
        dumped = yaml.safe_dump(long, default_style=style, default_flow_style=False)
        after = yaml.safe_load(redact(dumped))
        assert after["a"]["user"] == "me"
        assert "z: w" not in after["a"]["password"]
    assert yaml.safe_load(redact("tokens: [x, 'y']\ntoken:\n- x\n- 'y: z'\nn: 1\n")) == {
        "tokens": [CUT, CUT],
        "token": [CUT, CUT],
        "n": 1,
    }
    table = tomllib.loads(
        redact(
            'password = """\nx\n"""\na = 1\nuser-data = \'\'\'\n"y"\'\'\'\nb = 2\n'
            'tokens = [\n  "x", # one ]\n  \'y\',\n]\nc = """z"""\n'
        )
    )
    assert table == {"password": CUT, "a": 1, "user-data": CUT, "b": 2, "tokens": [CUT, CUT], "c": "z"}


def test_yaml_and_toml_stay_what_they_were() -> None:
    flow = yaml.safe_load(redact("a: {password: hunter2, user: x}\nb: [--token, abc]\nc: &x {secret: 'a b'}\n"))
    assert flow["a"] == {"password": CUT, "user": "x"}
    assert flow["c"] == {"secret": CUT}
    table = tomllib.loads(redact('password = "hunter2"\ntoken = 5\n[auth]\nauth = "dXNlcjpw"\nsecret = \'x y\'\n'))
    assert table == {"password": CUT, "token": CUT, "auth": {"auth": CUT, "secret": CUT}}
