"""Mirrors of registries and credentials for them, by settings and by containerd's own configuration."""

import json
import tomllib
from typing import Any

import pytest
from configure.samples import FACTS, accepted, check, document

from agent.configure import containerd, registries, render

REGISTRY = "[settings.container-registry]\n"
OWN = '[settings.containerd.config.plugins."io.containerd.grpc.v1.cri".registry]\n'
LATER = '[settings.containerd.config.plugins."io.containerd.cri.v1.images".registry]\n'


def registry_of(text: str) -> Any:
    """Return the CRI plug-in's table of registries, as containerd reads it."""
    config = tomllib.loads(containerd.files(accepted(text))[0].content.decode())
    return config["plugins"]["io.containerd.grpc.v1.cri"]["registry"]


def hosts(text: str) -> dict[str, list[str]]:
    """Return the endpoints of each registry that has a hosts.toml."""
    found = {spec.path.split("/")[-2]: spec.content.decode() for spec in registries.files(accepted(text))}
    return {registry: list(tomllib.loads(content)["host"]) for registry, content in found.items()}


@pytest.mark.parametrize(
    "table", [OWN, LATER, LATER.replace(".plugins", "]\nversion = 3\n[settings.containerd.config.plugins")]
)
def test_mirrors_in_containerd_s_own_configuration_are_the_settings_that_they_are(table: str) -> None:
    text = document(rest=f'{table}mirrors."docker.io".endpoint = ["https://mirror.example.com"]\n')
    assert hosts(text) == {"docker.io": ["https://mirror.example.com"]}
    assert "mirrors" not in json.dumps(accepted(text).containerd.config)
    assert registry_of(text) == {"config_path": registries.FOLDER}
    assert check(text).accepted["container-registry"]["mirrors"] == {
        "docker.io": {"endpoint": ["https://mirror.example.com"]}
    }


def test_mirrors_of_several_documents_come_together_and_the_setting_s_own_key_wins() -> None:
    own = f'{OWN}mirrors = {{"a.example" = {{endpoint = ["https://1"]}}, "b.example" = {{endpoint = ["https://2"]}}}}\n'
    text = document(rest=f'{own}[settings.container-registry.mirrors]\n"a.example" = ["https://3"]\n')
    assert hosts(text) == {"a.example": ["https://3"], "b.example": ["https://2"]}


def test_mirrors_that_are_none_are_refused_and_do_not_reach_containerd() -> None:
    text = document(rest=f"{OWN}mirrors = 5\n")
    (found,) = check(text).verdicts
    assert found.path == "settings.container-registry.mirrors"
    assert found.source == 'user data, containerd.config.plugins."io.containerd.grpc.v1.cri".registry.mirrors'
    assert registry_of(text) == {"config_path": registries.FOLDER}


def test_tls_of_a_registry_is_left_out_and_what_is_beside_it_stays() -> None:
    rest = f'{OWN}configs."r.example" = {{tls = {{ca_file = "/x"}}, auth = {{auth = "YTpi"}}}}\nconfigs.odd = 5\n'
    text = document(rest=rest)
    assert registry_of(text)["configs"] == {"r.example": {"auth": {"auth": "YTpi"}}, "odd": 5}
    (found,) = check(text).verdicts
    path = 'containerd.config.plugins."io.containerd.grpc.v1.cri".registry.configs."r.example".tls'
    assert (found.path, found.level) == (f"settings.{path}", "warning")
    assert "settings.pki" in found.message


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("", "/etc/containerd/certs.d"),
        ("/etc/docker/certs.d", "/etc/containerd/certs.d:/etc/docker/certs.d"),
        ("/a:/etc/containerd/certs.d", "/a:/etc/containerd/certs.d"),
    ],
)
def test_mirrors_are_found_wherever_else_the_user_lets_containerd_look(given: str, written: str) -> None:
    assert registry_of(document(rest=f'{OWN}config_path = "{given}"\n'))["config_path"] == written


def test_what_is_no_table_is_left_to_the_comparison_of_types() -> None:
    text = document(rest=f"{OWN.replace('.registry', '')}registry = 5\n")
    assert registry_of(text) == {"config_path": registries.FOLDER}
    assert [verdict.path for verdict in check(text).verdicts] == [
        'settings.containerd.config.plugins."io.containerd.grpc.v1.cri".registry'
    ]


@pytest.mark.parametrize(
    ("mirrors", "kept", "said"),
    [
        ('[{registry = "docker.io", endpoint = ["https://m"]}, {registry = "quay.io", endpoint = ["ftp://m"]}]',
         {"docker.io": ["https://m"]}, "that of 'quay.io' is refused: must be registry and endpoint"),
        ('{"docker.io" = ["https://m"], "a b" = ["https://m"]}', {"docker.io": ["https://m"]}, "that of 'a b'"),
        ('{"docker.io" = ["https://m"], "ghcr.io" = ["https://a..b"]}', {"docker.io": ["https://m"]},
         "that of 'ghcr.io' is refused: must be a URL whose host"),
        ('[{registry = "docker.io", endpoint = ["https://m"]}, {endpoint = ["https://n"]}, 5]',
         {"docker.io": ["https://m"]}, "that of no registry is refused"),
        ('[{registry = "quay.io", endpoint = []}]', {}, "that of 'quay.io' is not; it is ignored"),
    ],
)  # fmt: skip
def test_an_odd_mirror_costs_itself_only(mirrors: str, kept: dict[str, list[str]], said: str) -> None:
    text = document(rest=f"{REGISTRY}mirrors = {mirrors}\n")
    assert hosts(text) == kept
    (found,) = check(text).verdicts
    assert (found.path, found.level) == ("settings.container-registry.mirrors", "warning")
    assert said in found.message
    shown = check(text).accepted.get("container-registry", {}).get("mirrors", [])
    assert len(shown) == len(kept)


def test_odd_credentials_cost_themselves_only_and_are_not_said() -> None:
    good = '{registry = "ghcr.io", username = "u", password = "hunter2"}'
    text = document(rest=f'{REGISTRY}credentials = [{good}, {{registry = "quay.io", password = "correct-horse"}}]\n')
    assert registries.credentials(accepted(text)) == {
        "configs": {"ghcr.io": {"auth": {"password": "hunter2", "username": "u"}}}
    }
    (found,) = check(text).verdicts
    assert "that of 'quay.io' is refused: must be registry with username and password" in found.message
    assert "horse" not in found.message
    assert check(text).accepted["container-registry"]["credentials"] == "<redacted>"


@pytest.mark.parametrize(
    ("written", "host"),
    [
        ("https://index.docker.io/v1/", "registry-1.docker.io"),
        ("index.docker.io", "registry-1.docker.io"),
        ("docker.io", "registry-1.docker.io"),
        ("https://ghcr.io", "ghcr.io"),
        ("http://registry.example:5000/v2/", "registry.example:5000"),
    ],
)
def test_a_registry_may_be_named_as_docker_names_it(written: str, host: str) -> None:
    text = document(rest=f'{REGISTRY}credentials = [{{registry = "{written}", auth = "YTpi"}}]\n')
    assert list(registries.credentials(accepted(text))["configs"]) == [host]
    assert check(text).verdicts == ()


@pytest.mark.parametrize("written", ["https://u:p@ghcr.io", "https://quay.io/team", "ftp://ghcr.io", "https://"])
def test_a_url_that_is_more_than_a_registry_is_refused(written: str) -> None:
    text = document(rest=f'{REGISTRY}credentials = [{{registry = "{written}", auth = "YTpi"}}]\n')
    assert accepted(text).container_registry.credentials == ()
    assert "u:p" not in check(text).verdicts[0].message


@pytest.mark.parametrize(
    ("written", "endpoint"),
    [("mirror.internal:5000", "https://mirror.internal:5000"), ("mirror.internal/v2/hub/", "https://mirror.internal/v2/hub"),
     ("[fd00::1]:5000", "https://[fd00::1]:5000"), ("http://m.example", "http://m.example"),
     ("localhost:5000", "http://localhost:5000"), ("127.0.0.1:5000", "http://127.0.0.1:5000"),
     ("[::1]:5000", "http://[::1]:5000")],
)  # fmt: skip
def test_an_endpoint_without_a_scheme_is_https_as_to_containerd_unless_it_is_the_node_s_own(
    written: str, endpoint: str
) -> None:
    text = document(rest=f'{REGISTRY}mirrors = {{"quay.io" = ["{written}"]}}\n')
    assert hosts(text) == {"quay.io": [endpoint]}
    assert check(text).verdicts == ()


def test_a_password_of_a_lifted_mirror_is_in_no_report() -> None:
    text = document(rest=f'{OWN}mirrors."a.example".endpoint = ["https://u:hunter2@mirror.example.com"]\n')
    checked = check(text)
    assert checked.settings is not None
    specs = {spec.path: spec for spec in render.render(checked.settings, FACTS, checked.accepted).files}
    assert b"hunter2" not in specs["/etc/node-agent/settings.json"].content
    assert specs["/etc/containerd/certs.d/a.example/hosts.toml"].mode == 0o600
