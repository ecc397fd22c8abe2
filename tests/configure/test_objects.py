"""NodeConfig and NodeClass field by field, and the values of YAML."""

from typing import Any

import pytest
from configure.samples import PEM, base64_of
from hypothesis import given
from hypothesis import strategies as st

from agent.configure import objects, schema, yaml_text
from agent.configure.merging import Document
from agent.configure.settings import Settings

CONFIG = {"apiVersion": "node.eks.aws/v1alpha1", "kind": "NodeConfig"}
CLASS = {"apiVersion": "eks.amazonaws.com/v1", "kind": "NodeClass"}


def read(spec: dict[str, Any], kind: dict[str, str] = CONFIG) -> Document:
    return objects.document({**kind, "spec": spec}, "x")


def remark(spec: dict[str, Any], kind: dict[str, str] = CONFIG) -> tuple[str, str, str]:
    (found,) = read(spec, kind).remarks
    return found.level, found.path, found.message


def test_every_field_that_is_mapped_is_a_setting() -> None:
    for fields in (objects.node_config.FIELDS, objects.node_class.FIELDS):
        for field in fields.values():
            if field.target is not None:
                tables = dict.fromkeys(field.target[:-1])
                nested: Any = {field.target[-1]: {}}
                for name in reversed(tables):
                    nested = {name: nested}
                said = schema.read(Settings, nested, {}).verdicts
                assert not [each for each in said if "unknown key" in each.message], field.target


def test_bundles_of_one_name_are_all_kept() -> None:
    named = [("ca", "a"), ("ca", "b"), ("ca-2", "c"), ("ca", "d")]
    found = read({"certificateBundles": [{"name": name, "data": data} for name, data in named]}, CLASS)
    kept = {name: bundle["data"] for name, bundle in found.settings["pki"].items()}
    assert kept == {"ca": "a", "ca-2": "b", "ca-2-2": "c", "ca-3": "d"}


def test_a_node_class_is_settings_of_the_same_model() -> None:
    bundle = base64_of(PEM["corporate"])
    found = read(
        {
            "advancedNetworking": {"httpsProxy": "http://p.example.com:3128", "noProxy": [".internal"]},
            "certificateBundles": [{"name": "corporate", "data": bundle}],
            "podSubnetSelectorTerms": [{"id": "subnet-1"}],
            "snatPolicy": "Disabled",
            "networkPolicy": "DefaultDeny",
            "advancedSecurity": {"fips": True, "kernelLockdown": "Integrity"},
        },
        CLASS,
    )
    assert found.remarks == ()
    assert found.settings == {
        "network": {
            "https-proxy": "http://p.example.com:3128",
            "no-proxy": [".internal"],
            "pod-subnet": True,
            "snat-policy": "Disabled",
            "network-policy": "DefaultDeny",
        },
        "pki": {"corporate": {"data": bundle, "trusted": True}},
        "kernel": {"fips": True, "lockdown": "integrity"},
    }
    assert found.written["network", "https-proxy"] == "spec.advancedNetworking.httpsProxy"


@pytest.mark.parametrize(
    ("spec", "kind", "path", "message"),
    [
        ({"ephemeralStorage": {"size": "80Gi"}}, CLASS, "spec.ephemeralStorage.size", "accepted, not applied"),
        ({"certificateBundles": [{"data": "x"}]}, CLASS, "spec.certificateBundles", "each with name and data"),
        ({"cluster": {"nmae": "x"}}, CONFIG, "spec.cluster.nmae", "did you mean name?"),
        ({"kublet": {}}, CONFIG, "spec.kublet", "did you mean kubelet?"),
        ({"a b": 1}, CONFIG, 'spec."a b"', "unknown key"),
        ({"cluster": 1}, CONFIG, "spec.cluster", "must be a table"),
        ({"containerd": {"config": "a = "}}, CONFIG, "spec.containerd.config", "TOML text (not TOML"),
        ({"containerd": {"config": 1}}, CONFIG, "spec.containerd.config", "TOML text"),
        ({"kubelet": {"maxPodsExpression": "1"}}, CONFIG, "spec.kubelet.maxPodsExpression", "accepted, not applied"),
    ],
)
def test_what_is_strange_is_a_warning(spec: dict[str, Any], kind: dict[str, str], path: str, message: str) -> None:
    found = remark(spec, kind)
    assert found[:2] == ("warning", path)
    assert message in found[2]


def test_containerd_s_toml_becomes_a_table() -> None:
    text = '[plugins."io.containerd.grpc.v1.cri"]\nenable_cdi = true\n'
    config = read({"containerd": {"config": text}}).settings["containerd"]["config"]
    assert config == {"plugins": {"io.containerd.grpc.v1.cri": {"enable_cdi": True}}}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1), ("-7", -7), ("+7", 7), ("0", 0), ("0x1f", 31), ("0o17", 15), ("1.5", 1.5), (".5", 0.5),
        ("1e3", 1000.0), ("true", True), ("True", True), ("no", False), ("on", True), ("n", False), ("'no'", "no"),
        ('"1"', "1"), ("!!str 1", "1"), ("1:30", "1:30"), ("0755", "0755"), ("1_000", "1_000"),
        ("2024-01-01", "2024-01-01"), ("2001-12-14T21:59:43Z", "2001-12-14T21:59:43Z"), ("=", "="), (".", "."),
        ("e", "e"), ("012345678901", "012345678901"), ("1.2.3", "1.2.3"), ("v1", "v1"), (".inf", ".inf"),
        ("[1, a]", [1, "a"]), ("{a: {b: null, c: 1}}", {"a": {"c": 1}}), ("|\n  x\n  y\n", "x\ny\n"),
    ],
)  # fmt: skip
def test_yaml_values_are_what_kubernetes_reads_less_the_traps(text: str, value: object) -> None:
    assert yaml_text.read(f"k: {text}\n") == [{"k": value}]


def test_keys_of_yaml_are_text() -> None:
    assert yaml_text.read("1: a\ntrue: b\n2024-01-01: c\n") == [{"1": "a", "true": "b", "2024-01-01": "c"}]


def test_aliases_are_copies() -> None:
    assert yaml_text.read("a: &x {b: 1}\nc: *x\nd: &y z\ne: *y\n") == [
        {"a": {"b": 1}, "c": {"b": 1}, "d": "z", "e": "z"}
    ]


def test_documents_without_content_are_none() -> None:
    assert yaml_text.read("---\n---\na: 1\n---\n") == [{"a": 1}]


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**63), 2**63 - 1))
def test_numbers_of_yaml_are_those_of_python(number: float) -> None:
    assert yaml_text.read(f"k: {number}\n") == [{"k": number}]
