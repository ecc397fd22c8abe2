"""What a pod logs must not decide how long its lines are read: the steps grow as the text does."""

import re

import pytest
from regex_steps import steps

from agent.redaction_rules import NAME, RULES, Rule

# Each is the beginning of something that a rule reads on from, or what it reads over.
PIECES = [
    *("http://", "http://a?", "http://a?Signature", "a://b:", "a://b:c@", "-----BEGIN PRIVATE KEY-----", "-----"),
    *("a-eyJ", "eyJaaaaaaaaa", "eyJaaaaaaaa.", "--token ", "--token", "-a", "-token,", '"token",', "'--token' '"),
    *(
        '"',
        "'\"",
        "\\",
        '\\"',
        "\\\\n",
        "token",
        "token=",
        "token=\\",
        "token= ",
        'token="',
        "token='",
        "secret=a/",
        "=",
    ),
    *('token="""', "token='''", 'token=\\"\\"\\"', "token: [", 'token: ["', "tokens: [a,", "token:\n ", "token: |\n "),
    *("token:\n- a\n", "- a\n", "\n ", " a\n", "token: |\n  a\n\n", "\n\n", "name: token\n", "private_key=/a/", "/a/"),
    *("curl ", "curl -u ", "-u a:", "cookie:", "cookie: a=b;", "authorization: ", "authorization", "bearer ", " "),
    *("user-data=", "user-data: '", "<token>", "<token", "pass=", "pass: ", ",;", "auth=", "AKIA", "ghp_", "a.", "}"),
]
# What the pieces follow: a rule is then in the middle of its work.
BEGINNINGS = ["", 'password="', "password='", "password=", "token: [", "eyJ", "http://a?", "user-data: \\"]
# A repetition's least number of times is behind the first text; matches may take two or three pieces at a time.
LENGTHS = (6, 12, 18)


def bend(pattern: str, flags: int, beginning: str, piece: str) -> int:
    """Return how many more steps the last pieces take than as many before them: none, where work grows as text does."""
    once, twice, thrice = (steps(pattern, flags, beginning + piece * times) for times in LENGTHS)
    return (thrice - twice) - (twice - once)


@pytest.mark.parametrize("rule", RULES, ids=range(len(RULES)))
def test_steps_grow_as_the_text_does(rule: Rule) -> None:
    for beginning in BEGINNINGS:
        for piece in PIECES if not beginning else PIECES[::12]:
            assert bend(rule.pattern, rule.flags, beginning, piece) <= len(piece), (beginning, piece)


def test_a_pattern_that_starts_anew_inside_itself_is_found_out() -> None:
    assert bend(r"\beyJ[\w-]{8,}\.", re.NOFLAG, "", "a-eyJ") > 6 * len("a-eyJ")


def test_the_words_ahead_of_the_named_rules_take_no_repetition() -> None:
    assert not re.search(r"[*+]|\{\d*,", NAME)
