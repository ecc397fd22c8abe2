"""User data in every form that tools give it, and what is read of each."""

import base64
import gzip
import json
from typing import Any

import pytest
from configure.samples import API_SERVER, MUST_HAVES, PEM, base64_of, document

from agent.configure import checking, mime, userdata, yaml_text
from agent.configure.merging import merge
from agent.configure.settings import Checked

__all__ = ["mime", "yaml_text"]  # loaded here, as a pure test may not read files and hypothesis counts the time

NODE_CONFIG = f"""apiVersion: node.eks.aws/v1alpha1
kind: NodeConfig
spec:
  cluster:
    name: demo
    apiServerEndpoint: {API_SERVER}
    certificateAuthority: {base64_of(PEM["kubernetes"])}
    cidr: 10.100.0.0/16
"""
TOML = document("max-pods = 58")


def multipart(*parts: tuple[str, str], closing: str = "--//--\n") -> str:
    body = "".join(f"--//\nContent-Type: {kind}\n\n{text}\n" for kind, text in parts)
    return f'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="//"\n\n{body}{closing}'


def check(content: str | bytes) -> Checked:
    return checking.check(userdata.decode(content.encode() if isinstance(content, str) else content, "user data"))


def said(checked: Checked) -> list[tuple[str, str, str]]:
    return [(verdict.level, verdict.path, verdict.source) for verdict in checked.verdicts]


def tree(content: str | bytes) -> Any:
    documents = userdata.decode(content.encode() if isinstance(content, str) else content, "user data")
    assert [found.problem for found in documents if found.problem] == []
    return merge(documents).settings


@pytest.mark.parametrize(
    "content",
    [
        TOML.encode(),
        gzip.compress(TOML.encode()),
        base64.b64encode(TOML.encode()),
        base64.encodebytes(TOML.encode()) + b"\r\n",
        base64.b64encode(gzip.compress(TOML.encode())),
        gzip.compress(base64.b64encode(TOML.encode())),
        multipart(("application/toml", TOML)).encode(),
        multipart(("application/toml", TOML)).replace("\n", "\r\n").encode(),
        multipart(("application/toml", TOML), closing="").encode(),
        multipart(("application/toml", TOML), closing="--//\n").encode(),
        multipart(("text/x-bottlerocket-toml", base64_of(TOML))).encode(),
        multipart(("text/plain", TOML)).encode(),
        multipart(("application/toml", TOML)).replace("MIME-Version: 1.0\n", "").encode(),
        b"\n\n" + multipart(("application/toml", TOML)).encode(),
        base64.b64encode(gzip.compress(multipart(("application/toml", TOML)).encode())),
        multipart(("application/toml\nContent-Transfer-Encoding: base64", base64_of(TOML))).encode(),
        json.dumps({"settings": {"kubernetes": {
            "api-server": API_SERVER, "cluster-certificate": base64_of(PEM["kubernetes"]), "cluster-name": "demo",
            "max-pods": 58,
        }}}).encode(),
    ],
    ids=["TOML", "gzip", "base64", "base64 in lines", "gzip in base64", "base64 in gzip", "MIME", "MIME with CRLF",
         "MIME without its end", "MIME with an open end", "base64 in MIME", "MIME of plain text",
         "MIME without its version", "MIME after blank lines", "MIME in gzip in base64", "MIME's own base64", "JSON"],
)  # fmt: skip
def test_the_same_settings_in_every_wrapping(content: bytes) -> None:
    checked = check(content)
    assert checked.verdicts == ()
    assert checked == check(TOML)


@pytest.mark.parametrize(
    "content",
    [
        NODE_CONFIG,
        f"---\n{NODE_CONFIG}---\n",
        f"# a comment\n{NODE_CONFIG}",
        base64_of(NODE_CONFIG),
        multipart(("application/node.eks.aws; charset=us-ascii", NODE_CONFIG)),
        multipart(("application/node.eks.aws", base64_of(NODE_CONFIG))),
        NODE_CONFIG.replace("\n", "\r\n"),
        "\ufeff" + NODE_CONFIG,
    ],
)
def test_a_node_config_in_every_wrapping(content: str) -> None:
    assert tree(content) == {
        "kubernetes": {
            "cluster-name": "demo",
            "api-server": API_SERVER,
            "cluster-certificate": base64_of(PEM["kubernetes"]),
            "service-cidr": "10.100.0.0/16",
        }
    }
    assert check(content).verdicts == ()


def test_parts_are_merged_before_anything_is_judged() -> None:
    early = NODE_CONFIG.replace(base64_of(PEM["kubernetes"]), "Y2E=").replace("name: demo", "name: other")
    checked = check(multipart(("application/node.eks.aws", early), ("application/node.eks.aws", NODE_CONFIG)))
    assert checked.verdicts == ()
    assert checked.settings is not None
    assert checked.settings.kubernetes.cluster_name == "demo"


def test_empty_values_of_a_later_part_override_nothing() -> None:
    empty = (
        "kind: NodeConfig\napiVersion: node.eks.aws/v1alpha1\nspec: {cluster: {name: '', cidr: null}, containerd: {}}"
    )
    assert tree(f"{NODE_CONFIG}---\n{empty}\n") == tree(NODE_CONFIG)


def test_flags_are_appended_and_tables_are_merged() -> None:
    first = NODE_CONFIG + "  kubelet: {flags: [--a=1], config: {x: {a: 1, b: [1, 2]}}}\n"
    second = NODE_CONFIG + "  kubelet: {flags: [--b=2], config: {x: {b: [3]}}}\n"
    kubelet = tree(f"{first}---\n{second}")["kubelet"]
    assert kubelet == {"flags": ["--a=1", "--b=2"], "config": {"x": {"a": 1, "b": [3]}}}


def test_toml_and_node_config_in_one_document_merge_in_its_order() -> None:
    toml = ("application/toml", "[settings.kubernetes]\nmax-pods = 20\n")
    node_config = ("application/node.eks.aws", NODE_CONFIG + "  kubelet: {config: {maxPods: 30}}\n")
    assert tree(multipart(toml, node_config))["kubernetes"]["max-pods"] == 30
    assert tree(multipart(node_config, toml))["kubernetes"]["max-pods"] == 20


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("#!/bin/bash\n/etc/eks/bootstrap.sh demo\n", "a shell script"),
        ("#cloud-config\npackages: [vim]\n", "a #cloud-config document"),
        ("#include https://example.com/\n", "a cloud-init #include"),
        ("<powershell>\n</powershell>", "XML or HTML"),
    ],
)
def test_what_is_not_run_is_an_error_only_where_nothing_else_configures_the_node(text: str, form: str) -> None:
    alone = check(text)
    assert said(alone) == [("error", "", "user data")]
    assert form in alone.verdicts[0].message
    assert said(check(multipart(("text/x-shellscript", text)))) == [("error", "", "user data, part 1")]
    beside = check(multipart(("text/x-shellscript", text), ("application/toml", TOML)))
    assert beside.settings is not None
    assert said(beside) == [("warning", "", "user data, part 1")]


POD = "apiVersion: v1\nkind: Pod\n"
STRANGERS = {
    "cloud-config": ("text/cloud-config", f"write_files:\n- path: /x\n  content: |\n{POD}"),
    "cloud-config archive": ("text/cloud-config-archive", f"- content: |\n{POD}"),
    "boothook": ("text/cloud-boothook", f"#!/bin/sh\ncat >/x <<E\n{POD}E\n"),
    "boothook by its mark": ("text/plain", f"#cloud-boothook\ncat >/x <<E\n{POD}E\n"),
    "boothook with TOML": ("text/cloud-boothook", "cat >/x <<E\n[settings.kubernetes]\nmax-pods = 3\nE\n"),
    "shell script": ('text/x-shellscript; charset="us-ascii"', f"\n# c\n#!/bin/sh\ncat <<E\n{POD}E\n"),
    "include": ("text/x-include-url", f"https://example.com/\n{POD}"),
    "include once": ("text/x-include-once-url", f"https://example.com/\n{POD}"),
    "part handler": ("text/part-handler", f'x = """\n{POD}"""\n'),
    "Upstart": ("text/upstart-job", f"script\n{POD}end script\n"),
    "template": ("text/jinja2", f"## template: jinja\n{POD}"),
    "another type": ("text/html", POD),
    "bytes": ("application/octet-stream", "\x01garbage"),
    "plain text": ("text/plain", f"How to make a pod:\n\n{POD}\n[settings.kubernetes]\n"),
    "comments first": ("text/plain", f"# mine\n#cloud-config\nwrite_files:\n- content: |\n{POD}"),
}  # fmt: skip


@pytest.mark.parametrize("part", STRANGERS.values(), ids=STRANGERS)
def test_a_part_for_somebody_else_is_reported_and_stops_nothing(part: tuple[str, str]) -> None:
    checked = check(multipart(part, ("application/node.eks.aws", NODE_CONFIG)))
    assert checked.settings is not None
    assert said(checked) == [("warning", "", "user data, part 1")]
    assert "which is not run" in checked.verdicts[0].message


@pytest.mark.parametrize("kind", ["text/x-shellscript", "image/png", "application/octet-stream"])
def test_a_part_for_somebody_else_need_not_be_text(kind: str) -> None:
    content = multipart((kind, "\xe9\xff"), ("application/node.eks.aws", NODE_CONFIG)).encode("latin-1")
    assert said(check(content)) == [("warning", "", "user data, part 1")]


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/octet-stream", "application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml",
     "application/json"],
)  # fmt: skip
@pytest.mark.parametrize("before", ["", "---\n", "# mine\n\n---\n# [settings.kubernetes]\n", "%YAML 1.1\n---\n"])
def test_a_part_of_a_type_that_says_little_counts_by_how_it_begins(kind: str, before: str) -> None:
    assert tree(multipart((kind, before + NODE_CONFIG))) == tree(NODE_CONFIG)


@pytest.mark.parametrize(
    "more",
    [
        "  kubelet:\n    config:\n      settings.foo: 3\n",
        "  containerd:\n    config: |\n      [settings]\n      a = 1\n",
        "  containerd:\n    config: |\n      settings.a = 1\n",
    ],
)
def test_a_node_config_that_speaks_of_settings_is_one(more: str) -> None:
    for content in (NODE_CONFIG + more, multipart(("application/node.eks.aws", NODE_CONFIG + more))):
        assert tree(content)["kubernetes"] == tree(NODE_CONFIG)["kubernetes"]


def test_a_part_s_type_decides_before_its_content() -> None:
    toml = f'{TOML}\n[settings.motd]\ntext = """\nkind: Pod\n"""\n'
    assert tree(multipart(("application/toml", toml)))["motd"] == {"text": "kind: Pod\n"}
    for body, problem in ((TOML, "not YAML"), ("# nothing\n", "nothing but comments")):
        found = check(multipart(("application/node.eks.aws", body)))
        assert problem in found.verdicts[0].message


@pytest.mark.parametrize(
    "content",
    [
        "{apiVersion: node.eks.aws/v1alpha1, kind: NodeConfig, spec: {cluster: {name: demo}}}",
        "# mine\n{apiVersion: 'node.eks.aws/v1alpha1', 'kind': NodeConfig, spec: {cluster: {name: demo,}}}\n",
        '--- {"apiVersion": "node.eks.aws/v1alpha1", "kind": "NodeConfig", "spec": {"cluster": {"name": "demo"}}}\n',
    ],
)
def test_a_node_config_in_yaml_s_flow_style(content: str) -> None:
    wanted = {"kubernetes": {"cluster-name": "demo"}}
    assert tree(content) == wanted
    assert tree(base64_of(content)) == wanted
    assert tree(multipart(("application/node.eks.aws", content))) == wanted
    assert tree(multipart(("text/plain", content))) == wanted


@pytest.mark.parametrize("padding", ["\0", "\0\n", "\n\0\0\r\n\0", " \0 "])
def test_padding_after_the_end_is_no_part_of_a_document(padding: str) -> None:
    assert tree(TOML + padding) == tree(TOML)
    assert tree(NODE_CONFIG + padding) == tree(NODE_CONFIG)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("kind: NodeConfig\napiVersion: v1\n", "an object of another kind"),
        ("kind: [NodeConfig]\napiVersion: {}\n", "an object of another kind"),
        ("kind: Pod\napiVersion: node.eks.aws/v1alpha1\n", "an object of another kind"),
        ("apiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\nspec: []\n", "whose spec is no table"),
        ("- kind: x\n- kind: y\nkind: z\n", "not YAML"),
        ("apiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\nkind: NodeConfig\n", "'kind' stands twice"),
        ("apiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\nspec: !!python/none x\n", "the tag"),
        ("apiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\nspec: *a\n", "stands for nothing"),
        ("apiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\nspec: &a {b: *a}\n", "stands for nothing"),
        ("apiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\nspec: {<<: {a: 1}}\n", "a merge key"),
        ("apiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\nspec: {[a]: 1}\n", "a key is a table or list"),
        ('{"settings": {"a": 1, "a": 2}}', "stands twice"),
        ('{"settings": {"a": NaN}}', "NaN is no number"),
        ('{"settings": {"a": "\\ud800"}}', "half of a surrogate pair"),
        ("{", "not JSON"),
        ("[1, 2]\n[settings]\na=1", "not TOML"),
        ("MIME_VERSION = 1.0\nContent-Type = multipart", "not TOML"),
        ('MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=""\n\n', "without a boundary"),
        (multipart(*[("text/plain", "x")] * 65), "more than 64 parts"),
        (f"Content-Type: multipart/mixed; boundary=b; {'a=b; ' * 1000}\n\n", "a Content-Type of more than"),
        (base64_of(base64_of(base64_of(base64_of(TOML)))), "more than 3 times"),
    ],
)
def test_what_cannot_be_read_is_one_error(content: str, problem: str) -> None:
    checked = check(content)
    assert checked.settings is None
    assert [verdict.level for verdict in checked.verdicts] == ["error"]
    assert problem in checked.verdicts[0].message


def test_a_part_that_cannot_be_read_is_named() -> None:
    checked = check(multipart(("application/toml", TOML), ("application/toml", "[settings")))
    assert said(checked) == [("error", "", "user data, part 2")]


def test_base64_by_accident_is_not_decoded() -> None:
    checked = check("abcdefgh")
    assert "not TOML" in checked.verdicts[0].message


@pytest.mark.parametrize("content", [multipart(), multipart(("application/toml", " ")), multipart(("text/x", "x"))])
def test_mime_without_a_part_that_counts_says_so(content: str) -> None:
    assert [verdict.level for verdict in check(content).verdicts] == ["error"]


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"kind: NodeConfig\na: " + b"[" * (1 << 19), "nested deeper"),
        (b"kind: NodeConfig\na: " + b"{a: " * (1 << 17), "nested deeper"),
        (b"kind: NodeConfig\na:\n" + b"- " * (1 << 18), "nested deeper"),
        (b'{"a":' + b"[" * (1 << 19), "nested deeper"),
        (b'{"a":' * (1 << 17), "nested deeper"),
        (f"kind: NodeConfig\n{BOMB}".encode(), "counting what aliases stand for"),
        (base64.b64encode(gzip.compress(b"\0" * (8 << 20))), "when unpacked"),
        (gzip.compress(b"#" * (2 << 20)), "when unpacked"),
        (b" " * ((1 << 20) - 1) + b"a", "not TOML"),
        (b"[settings]\n" + b" " * ((1 << 20) - 20) + b"a", "not TOML"),
    ],
    ids=[
        "lists",
        "tables",
        "blocks",
        "JSON lists",
        "JSON tables",
        "aliases",
        "gzip in base64",
        "gzip",
        "blanks",
        "line",
    ],
)
def test_hostile_documents_are_refused_early(content: bytes, problem: str) -> None:
    found = check(content).verdicts
    assert [verdict.level for verdict in found] == ["error"]
    assert problem in found[0].message


def test_damaged_gzip_within_base64_is_damaged_gzip() -> None:
    content = base64.b64encode(gzip.compress(TOML.encode())[:-9])
    assert "damaged gzip" in check(content).verdicts[0].message


def test_must_haves_are_enough() -> None:
    assert check(f"[settings.kubernetes]{MUST_HAVES}").verdicts == ()
