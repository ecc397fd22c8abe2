"""JSON without secrets is JSON."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.redacted_json import dumps, without_secrets

SECRET = "hunter2hunter2hunter2"
# Where a rule of redaction begins, and what ends a string.
WORDS = st.sampled_from(
    [
        *(
            "token:",
            "secret=",
            "password: ",
            "--token",
            "--token ",
            "Authorization: Bearer ",
            "authorization:",
            'auth="',
        ),
        *("-----BEGIN RSA PRIVATE KEY-----", "https://u:", "@", "k8s-aws-v1.", "Signature=", "eyJabcdefgh.abcdefgh."),
        *('"', "'", "\\", '\\"', "{", "}", "[", "]", ",", " ", "\n", "12", "\ud800"),
    ]
)
TEXT = st.lists(WORDS | st.text(max_size=5), max_size=8).map("".join)
BODY = st.recursive(
    TEXT | st.none() | st.booleans() | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(BODY)
def test_anything_is_read_back_with_its_shape(body: object) -> None:
    assert json.loads(dumps(body).encode()) == without_secrets(body)


@given(TEXT)
def test_a_secret_is_cut_whatever_stands_before_it(before: str) -> None:
    assert SECRET not in dumps({"message": f"{before}\nAuthorization: Bearer {SECRET}"})


@pytest.mark.parametrize("key", ["token", "DB_PASSWORD", "client-key-data", "secret"])
@pytest.mark.parametrize("value", [SECRET, 1234567, "two words of it"])
def test_what_stands_under_the_name_of_a_secret_is_cut(key: str, value: object) -> None:
    assert without_secrets({"env": [{key: value}]}) == {"env": [{key: "<redacted>"}]}


def test_what_is_no_secret_stays() -> None:
    body = {"message": "S3 refused the token:", "enis": 3, "token": None, "secret": "", "list": [True, "größe"]}
    assert without_secrets(body) == body
