"""No bytes are a surprise to any decoder: each ends in settings or in verdicts, and both can be printed.

What is accepted can be rendered.
"""

import base64
import gzip
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import yaml
from configure.samples import FACTS, MUST_HAVES
from hypothesis import given
from hypothesis import strategies as st

from agent.configure import checking, lift, mime, node_class, node_config, render, report, userdata, yaml_text
from agent.configure.merging import Document
from agent.configure.schema import Named, Section, keys
from agent.configure.settings import Settings

# Loaded here: a pure test may not read files, and hypothesis counts the time.
LOADED = (mime, yaml_text)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
JOINING = userdata.decode(f"[settings.kubernetes]{MUST_HAVES}".encode(), "first")
HEAD = "apiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\nspec: "


def digest(content: bytes) -> None:
    documents = userdata.decode(content, "user data")
    for found in (documents, [*documents, *JOINING]):
        digested(found)


def digested(documents: Sequence[Document]) -> None:
    checked = checking.check(documents)
    if checked.settings is not None:
        assert render.render(checked.settings, FACTS, checked.accepted).files
        assert all(verdict.message for verdict in render.remarks_of_facts(checked.settings, FACTS, NOW))
    for verdict in checked.verdicts:
        assert verdict.level in {"error", "warning"}
        assert verdict.message
        assert "\n" not in verdict.message + verdict.path
    assert (checked.settings is None) == any(verdict.level == "error" for verdict in checked.verdicts)
    assert json.loads(report.as_json(checked).encode())["ok"] == (checked.settings is not None)
    assert report.as_text(checked).encode().endswith(b"\n")


@given(st.binary(max_size=200), st.lists(st.sampled_from([gzip.compress, base64.b64encode]), max_size=4))
def test_bytes_in_any_wrapping(content: bytes, wrappings: list[Any]) -> None:
    for wrap in wrappings:
        content = wrap(content)
    digest(content)


WORDS = st.sampled_from([
    "MIME-Version: 1.0", "Content-Type: multipart/mixed; boundary=b", 'Content-Type: multipart/mixed; boundary="b"',
    "Content-Type: application/node.eks.aws", "Content-Type: application/toml", "Content-Type: text/x-shellscript",
    "Content-Type: multipart/mixed", "Content-Transfer-Encoding: base64", "Content-Transfer-Encoding: quoted-printable",
    "Content-Type: text/plain; charset=none", "--b", "--b--", "", "#!/bin/sh", "#cloud-config", "[settings.kubernetes]",
    "max-pods = 1", "kind: NodeConfig", "apiVersion: node.eks.aws/v1", "spec: {}", "{", "W3NldHRpbmdzXQ==", " folded",
    "=",
])  # fmt: skip


@given(
    st.lists(WORDS | st.text(max_size=8), max_size=14).map("\n".join),
    st.sampled_from(["", "\n", "MIME-Version: 1.0\n"]),
)
def test_lines_of_mime(text: str, beginning: str) -> None:
    digest(f"{beginning}Content-Type: multipart/mixed; boundary=b\n{text}".encode(errors="replace"))
    digest(text.encode(errors="replace"))


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(
        [
            "1e400",
            "~",
            "2024-01-01",
            "10.0.0.0/8",
            "10.0.0.0/30",
            "fd00::/128",
            "5",
            "0",
            "http://u:p@h",
            "a=b",
            "--max-pods=1",
            "\x00",
            "\ud800",
        ]
    )
)
TREES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5) | st.sampled_from(["key", "name"]), inner, max_size=3)
    ),
    max_leaves=6,
)
FIELDS = st.sampled_from(
    [*node_config.FIELDS, *node_class.FIELDS, *(f"kubelet.config.{name}" for name in lift.fields())]
)


def nested(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    spec: dict[str, Any] = {}
    for path, value in pairs:
        *tables, last = path.split(".")
        table = spec
        for name in tables:
            below = table.setdefault(name, {})
            table = below if isinstance(below, dict) else table
        table[last] = value
    return spec


@given(
    st.lists(st.tuples(FIELDS, TREES), max_size=6),
    st.sampled_from([("node.eks.aws/v1alpha1", "NodeConfig"), ("eks.amazonaws.com/v1", "NodeClass")]),
)
def test_any_value_of_any_field_of_an_object(pairs: list[tuple[str, Any]], kind: tuple[str, str]) -> None:
    body = {"apiVersion": kind[0], "kind": kind[1], "spec": nested(pairs)}
    digest(json.dumps(body).encode())
    digest(yaml.safe_dump(body, allow_unicode=True).encode(errors="replace"))


NAME = "kubelet"  # good for each table of tables


def paths(kind: type[Any], above: str = "") -> Iterator[str]:
    """Give every key there is below a table, and below tables that have names of the user's own."""
    for name, _, spec, _ in keys(kind):
        yield f"{above}{name}"
        if isinstance(spec, Section):
            yield from paths(spec.kind, f"{above}{name}.")
        elif isinstance(spec, Named):
            yield f"{above}{name}.{NAME}"
            if isinstance(spec.each, Section):
                yield from paths(spec.each.kind, f"{above}{name}.{NAME}.")


KEYS = tuple(paths(Settings))
COMMANDS = st.lists(
    st.lists(st.sampled_from(["apiclient", "ephemeral-storage", "init", "bind", "-t", "--dirs", "/mnt/x", "reboot"])),
    max_size=3,
)


def test_the_keys_below_names_are_among_those_that_are_tried() -> None:
    below = ("pki.*.data", "environment.*", "bootstrap-commands.*.commands", "kubernetes.static-pods.*.manifest",
             "kubernetes.credential-providers.*.environment", "kubernetes.max-pods")  # fmt: skip
    assert {path.replace("*", NAME) for path in below} <= set(KEYS)


@given(st.lists(st.tuples(st.sampled_from(KEYS), TREES | COMMANDS), max_size=6))
def test_any_value_of_any_setting(pairs: list[tuple[str, Any]]) -> None:
    digest(json.dumps({"settings": nested(pairs)}).encode())


@given(TREES, TREES)
def test_any_registries_of_containerd_s_own_configuration(mirrors: object, configs: object) -> None:
    for plugin in ("io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images"):
        registry = {"mirrors": mirrors, "configs": configs, "config_path": configs}
        config = {"plugins": {plugin: {"registry": registry}}}
        digest(json.dumps({"settings": {"containerd": {"config": config}}}).encode())


@given(st.text(st.sampled_from(" \n-:[]{},&*!|>'\"#%@`?abk1.~<=\t\\"), max_size=60))
def test_any_text_after_the_head_of_a_node_config(text: str) -> None:
    digest(f"{HEAD}{text}".encode())
    digest(f"{HEAD}\n  kubelet: {text}".encode())


@given(st.text(st.sampled_from(" \n-:[]{},&*!'\"#abe1.=\t\\"), max_size=60))
def test_any_text_after_the_head_of_toml(text: str) -> None:
    digest(f"[settings.kubernetes]\n{text}".encode())
    digest(f"[settings.kubelet]\nflags = ['{text}']".encode())
