"""What a format holds stays readable without its secrets: our own files, and tables of any shape."""

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.redaction import redact
from agent.redaction_cuts import CUT
from agent.redactor import Redactor

GOLDEN = Path(__file__).parent / "configure" / "golden"
FILES = {path.relative_to(GOLDEN).as_posix(): path for path in GOLDEN.rglob("*") if path.is_file()}
CRI = ".plugins.io.containerd.grpc.v1.cri.registry.configs."
# All that is a secret in the golden trees: of tables the places, of other texts the lines.
SECRETS = {
    "every-setting/tree/etc/containerd/config.toml": [
        f"{CRI}registry-1.docker.io.auth.password",
        f"{CRI}registry.example.com:5000.auth.auth",
    ],
    "every-setting/tree/etc/network/proxy.env": [
        "HTTPS_PROXY=http://<redacted>@proxy.example.com:3128",
        "https_proxy=http://<redacted>@proxy.example.com:3128",
    ],
    "every-setting/user-data.toml": [
        ".settings.network.https-proxy",
        ".settings.container-registry.credentials[0].password",
        ".settings.container-registry.credentials[1].auth",
    ],
    "ipv6-nodeadm/tree/etc/network/proxy.env": [
        "HTTPS_PROXY=http://<redacted>@[2600:1f14::99]:3128",
        "https_proxy=http://<redacted>@[2600:1f14::99]:3128",
    ],
    "ipv6-nodeadm/user-data.yaml": ["[0].spec.instance.environment.default.HTTPS_PROXY"],
    "ipv6-proxy/tree/etc/network/proxy.env": [
        "HTTPS_PROXY=http://<redacted>@proxy.example.com:3128",
        "https_proxy=http://<redacted>@proxy.example.com:3128",
    ],
    "ipv6-proxy/user-data.toml": [".settings.network.https-proxy"],
    "mistakes/user-data.toml": [
        ".settings.kubernetes.bootstrap-token",
        ".settings.kernel.sysctl.../etc/passwd",
        ".settings.host-containers.admin.user-data",
    ],
    "registry/tree/etc/containerd/config.toml": [
        f"{CRI}mirror.example.com.auth.password",
        f"{CRI}registry-1.docker.io.auth.auth",
    ],
    "registry/user-data.toml": [
        ".settings.container-registry.credentials[0].password",
        ".settings.container-registry.credentials[1].auth",
    ],
}


def streamed(text: str) -> str:
    redactor = Redactor()
    return b"".join([*redactor.feed(text.encode()), *redactor.close()]).decode()


def read(name: str, text: str) -> object:
    """Return what a file holds; its text, where it is of no format."""
    if name.endswith(".toml"):
        return tomllib.loads(text)
    if name.endswith((".yaml", "kubeconfig")):
        return list(yaml.safe_load_all(text))
    return json.loads(text) if text.startswith("{") else text


def gone(before: object, after: object, place: str = "") -> Iterator[str]:
    """Give where a value was cut, or the line; every table and list must have what it had."""
    if isinstance(before, dict) and isinstance(after, dict) and before.keys() == after.keys():
        for key in before:
            yield from gone(before[key], after[key], f"{place}.{key}")
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from gone(old, new, f"{place}[{number}]")
    elif before != after:
        assert isinstance(after, str)
        assert CUT in after
        yield place or after


KEYS = st.sampled_from(
    [
        *("authorization", "Authorization", "password", "DB_TOKEN", "secret", "secrets", "tokens", "client-key-data"),
        *("auth", "pass", "pwd", "psk", "user-data", "Cookie", "name", "value", "mode", "authorization:", "x password"),
    ]
)
STRINGS = st.sampled_from(
    [
        *(
            "",
            " ",
            "hunter2",
            "two words",
            "12",
            "null",
            "true",
            "{}",
            "[]",
            "}",
            "{",
            "]",
            ",",
            ":",
            "Basic aHVudGVyMg==",
        ),
        *("Bearer hunter2hunter2", "authorization:", "Authorization: Bearer ", "authorization=[", "authorization: {"),
        *("password=", "token: [", "x, y} ]", '"', "\\", 'authorization="', "AWS:eyJ" + "aB3" * 24, "--creds", "me:x"),
        *("redis-cli", "-a", "mongosh -u me -p", "redis-cli -a,", "--auth", "crictl", "sshpass", "-p"),
        *("aws_secret_access_key", "machine h login me password", "configure set aws_session_token", "é", "\n"),
    ]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | STRINGS
TABLES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@pytest.fixture(params=sorted(FILES))
def golden(request: pytest.FixtureRequest) -> tuple[str, str]:
    return request.param, FILES[request.param].read_text()


def test_our_own_files_keep_their_format_and_lose_their_secrets(golden: tuple[str, str]) -> None:
    name, text = golden
    assert streamed(text) == redact(text)
    before, after = read(name, text), read(name, redact(text))
    if isinstance(before, str):
        cut = [new for old, new in zip(before.splitlines(), str(after).splitlines(), strict=True) if old != new]
    else:
        cut = list(gone(before, after))
    assert cut == SECRETS.get(name, [])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"args": ["mongosh", "-u", "admin", "-p"], "image": "x"}, None),
        ({"command": "mongosh", "option": "-p", "image": "x"}, None),
        ({"command": "mongosh -u admin -p", "image": "x"}, None),
        ({"command": "redis-cli -a,", "image": "x"}, None),
        ({"command": "crictl", "option": "--auth", 'an "image"': "x"}, None),
        (["redis-cli", "-a", None], None),
        (["redis-cli", "-a", 5], None),
        (["redis-cli", "-a", -1.5e3, "ping"], None),
        (["redis-cli", "-a", True], None),
        (["mongosh", "-p", ["x"], {"y": "z"}], None),
        (["redis-cli", "-a", "hunter2"], ["redis-cli", "-a", CUT]),
        (["redis-cli", "-a", "a, b: c", "ping"], ["redis-cli", "-a", CUT, "ping"]),
        (["sshpass", "-p", "12", "ssh"], ["sshpass", "-p", CUT, "ssh"]),
        (["crictl", "pull", "--auth", "hunter2"], ["crictl", "pull", "--auth", CUT]),
        ({"args": ["mongosh", "-p", "hunter2"], "image": "x"}, {"args": ["mongosh", "-p", CUT], "image": "x"}),
    ],
)
@pytest.mark.parametrize("separators", [(", ", ": "), (",", ":")])
def test_a_list_of_words_loses_the_password_alone(before: object, after: object, separators: tuple[str, str]) -> None:
    text = json.dumps(before, separators=separators)
    assert json.loads(redact(text)) == (after or before)
    inside = json.dumps({"msg": text, "then": 1}, separators=separators)
    assert json.loads(json.loads(redact(inside))["msg"]) == (after or before)
    assert streamed(inside) == redact(inside)


@settings(deadline=None, max_examples=600)
@given(st.dictionaries(KEYS, TABLES, min_size=1, max_size=4), st.sampled_from([None, 2]), st.booleans())
def test_json_of_any_shape_stays_json(table: dict[str, object], indent: int | None, tight: bool) -> None:
    text = json.dumps(table, indent=indent, separators=(",", ":") if tight else None)
    after = json.loads(redact(text))
    list(gone(table, after))
    assert json.loads(streamed(text)) == after
