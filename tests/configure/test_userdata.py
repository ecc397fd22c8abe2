import gzip

import pytest
from configure.samples import check, document
from hypothesis import given
from hypothesis import strategies as st

from agent.configure import checking, report, userdata
from agent.configure.merging import Document, merge
from agent.configure.userdata import decode

SMALL = b'[settings.motd]\na = "b"\n'


def problem(content: bytes) -> str:
    (document,) = decode(content, "user data")
    found = document.problem
    assert found is not None
    assert (found.level, found.path) == ("error", "")
    return found.message


@pytest.mark.parametrize(
    "content",
    [SMALL, gzip.compress(SMALL), b"\xef\xbb\xbf" + SMALL, SMALL.replace(b"\n", b"\r\n"), SMALL + b"\0\0"],
    ids=["plain", "gzip", "byte order mark", "CRLF", "padded with NUL"],
)
def test_the_same_settings_in_every_form(content: bytes) -> None:
    assert decode(content, "here") == (Document("here", {"motd": {"a": "b"}}),)


@pytest.mark.parametrize("content", [None, b"", b" \r\n\t", gzip.compress(b"")])
def test_nothing_is_blank_and_no_problem(content: bytes | None) -> None:
    assert decode(content, "here") == (Document("here", blank=True),)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[settings", "not TOML"),
        (b"[setting.kubernetes]\n", "no [settings] table"),
        (b"settings = 1\n", "no [settings] table"),
        (b'[settings]\na = "\xff"\n', "not UTF-8 at byte 16"),
        (b"[settings]\na = 1\na = 2\n", "not TOML"),
        (b"[settings]\na = " + b"9" * 5000, "not TOML"),
        (b"[settings]\na = 2024-13-45\n", "not TOML"),
        (gzip.compress(SMALL)[:-9], "damaged gzip"),
        (b"\x1f\x8bnonsense", "damaged gzip"),
    ],
)
def test_what_cannot_be_read_says_why(content: bytes, said: str) -> None:
    assert said in problem(content)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (gzip.compress(b"#" * (userdata.LIMIT + 1)), "when unpacked"),
        (b"#" * (userdata.LIMIT + 1), "larger than"),
        (b"[settings]\na = " + b"[" * 200_000, "nested deeper"),
        (b"[settings]\na = " + b"{a = " * 100_000, "nested deeper"),
        (b"[settings]\n" + b"a." * 200_000 + b"a = 1", "nested deeper"),
        (b"[settings." + b"a." * 200_000 + b"a]", "nested deeper"),
        (b"[settings]\na = { " + b'"a" . ' * 100_000 + b"a = 1 }", "nested deeper"),
        (b"".join(b"[settings" + b".a" * depth + b"]\n" for depth in range(1, 20)), "nested deeper"),
    ],
    ids=["bomb", "large", "lists", "inline tables", "key", "header", "inline key", "tables"],
)
def test_hostile_documents_are_refused_early(content: bytes, said: str) -> None:
    assert said in problem(content)


def test_long_values_with_many_dots_are_no_long_keys() -> None:
    name = ".".join("123456789012345678")
    (document,) = decode(f'[settings.network]\nno-proxy = ["{name}"]\n'.encode(), "x")
    assert document.settings == {"network": {"no-proxy": [name]}}


@given(st.binary(max_size=300) | st.binary(max_size=300).map(gzip.compress))
def test_no_bytes_are_a_surprise(content: bytes) -> None:
    report.as_json(checking.check(decode(content, "x")))


KEYS = ("api-server", "cluster-certificate", "cluster-name", "max-pods", "node-labels", "trusted", "https-proxy")
SCALARS = (
    r'"x"',
    r'""',
    r'"2600::1"',
    r'"\u0000"',
    r'"AKIAIOSFODNN7EXAMPLE"',
    r"1",
    r"-1",
    r"true",
    r"inf",
    r"nan",
    r"1e400",
    r"0xffffffffffffffffffffff",
    r"1979-05-27",
    r"07:32:00",
    r"1979-05-27T07:32:00-08:00",
)
VALUES = st.recursive(
    st.sampled_from(SCALARS),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
        | st.dictionaries(st.sampled_from(["a", "data", "trusted", "max-pods"]), inner, max_size=3).map(
            lambda table: "{" + ", ".join(f"{key} = {value}" for key, value in table.items()) + "}"
        )
    ),
    max_leaves=8,
)


@given(
    st.sampled_from(
        ["kubernetes", "network", "pki", "pki.x", "kubernetes.node-labels", "kubernetes.node-taints", "ntp"]
    ),
    st.dictionaries(st.sampled_from([*KEYS, "no-proxy", "hostname", "data", "a.b/c", ""]), VALUES, max_size=4),
)
def test_no_toml_is_a_surprise(table: str, pairs: dict[str, str]) -> None:
    text = f"[settings.{table}]\n" + "".join(f'"{key}" = {value}\n' for key, value in pairs.items())
    checked = check(text)
    assert checked.settings is None
    assert any(verdict.level == "error" for verdict in checked.verdicts)
    report.as_json(checked)
    report.as_text(checked)


def test_later_documents_win_key_by_key() -> None:
    merged = merge(
        [
            Document("first", {"kubernetes": {"max-pods": 1, "node-labels": {"a": "1", "b": "1"}}, "motd": "x"}),
            Document("second", {"kubernetes": {"max-pods": 2, "node-labels": {"b": "2"}}, "motd": {"y": 1}}),
        ]
    )
    assert merged.settings == {"kubernetes": {"max-pods": 2, "node-labels": {"a": "1", "b": "2"}}, "motd": {"y": 1}}
    assert merged.sources["kubernetes", "node-labels", "a"] == "first"
    assert merged.sources["kubernetes", "node-labels", "b"] == "second"


def test_merging_leaves_the_documents_alone() -> None:
    first = Document("first", {"kubernetes": {"node-labels": {"a": "1"}}})
    merge([first, Document("second", {"kubernetes": {"node-labels": {"b": "2"}}})])
    assert first.settings == {"kubernetes": {"node-labels": {"a": "1"}}}


def test_one_unreadable_document_is_one_error_whatever_else_is_missing() -> None:
    checked = checking.check(
        [*decode(b"[settings", "user data"), *decode(b"[settings.kubernetes]\nmax-podz = 1", "a.toml")]
    )
    assert checked.settings is None
    assert [(verdict.level, verdict.source) for verdict in checked.verdicts] == [
        ("error", "user data"),
        ("warning", "a.toml"),
    ]


def test_a_good_document_has_nothing_to_say() -> None:
    checked = check(document())
    assert checked.settings is not None
    assert checked.verdicts == ()
