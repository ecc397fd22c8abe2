import json
from typing import Any

from configure.samples import API_SERVER, PEM, base64_of, check, document
from hypothesis import given
from hypothesis import strategies as st

from agent.configure import effective
from agent.redaction import redact
from agent.redaction_cuts import CUT

SECRETS = f"""
bootstrap-token = "abcdef.0123456789abcdef"
server-key = "{base64_of("hunter2")}"
service-cidr = "10.96.0.0/12"

[settings.network]
https-proxy = "http://someone:hunter2@proxy.example.com:3128"

[[settings.container-registry.credentials]]
registry = "registry.example.com"
username = "someone"
password = "hunter2"

[settings.environment.default]
DATABASE = "hunter2"

[settings.containerd.config.plugins."example.auth"]
password = "hunter2"
address = "/run/example.sock"
arguments = ["--password", "hunter2"]
variables = [{{name = "PASSWORD", value = "hunter2"}}, {{name = "HOME", value = "/"}}]
"""


def settings_of(text: str) -> dict[str, Any]:
    (spec,) = effective.files(check(text).accepted)
    assert (spec.path, spec.mode) == ("/etc/node-agent/settings.json", 0o600)
    body: dict[str, Any] = json.loads(spec.content)
    assert body["schemaVersion"] == 1
    settings: dict[str, Any] = body["settings"]
    return settings


def test_what_is_in_effect_is_what_was_accepted_and_the_defaults() -> None:
    settings = settings_of(document('max-pods = 58\nservice-cidr = "10.96.0.0/12"\nno-such-key = 1'))
    kubernetes = settings["kubernetes"]
    assert (kubernetes["api-server"], kubernetes["max-pods"]) == (API_SERVER, 58)
    assert kubernetes["service-cidr"] == "10.96.0.0/12"
    assert kubernetes["cluster-domain"] == "cluster.local"
    assert kubernetes["cluster-certificate"] == base64_of(PEM["kubernetes"])
    assert "no-such-key" not in kubernetes


def test_secrets_are_cut() -> None:
    settings = settings_of(document(SECRETS))
    said = json.dumps(settings)
    assert "hunter2" not in said
    assert base64_of("hunter2") not in said
    assert "0123456789abcdef" not in said
    assert settings["kubernetes"]["server-key"] == CUT
    assert settings["kubernetes"]["service-cidr"] == "10.96.0.0/12"
    assert settings["environment"]["default"] == {"DATABASE": CUT}
    assert settings["containerd"]["config"]["plugins"]["example.auth"] == {
        "password": CUT,
        "address": "/run/example.sock",
        "arguments": ["--password", CUT],
        "variables": [{"name": "PASSWORD", "value": CUT}, {"name": "HOME", "value": "/"}],
    }


TABLES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.sampled_from(["--password", "a b", "token="]),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.sampled_from(["password", "auth", "x"]), each),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["token", "name", "value", "args"]), TABLES))
def test_whatever_a_table_holds_the_file_is_json(table: dict[str, Any]) -> None:
    (spec,) = effective.files({"containerd": {"config": table}})
    assert json.loads(spec.content)["settings"]["containerd"]["config"].keys() == table.keys()
    assert json.loads(redact(spec.content.decode())).keys() == {"schemaVersion", "settings"}
