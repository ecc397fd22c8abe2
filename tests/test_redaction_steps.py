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
    *(
        "mysql ",
        "mysql",
        'mysql "',
        "mysql -p",
        "mysql -p'a",
        "redis-cli ",
        "redis-cli -a",
        "mongo ",
        "mongo -p ",
        "oc login ",
        "oc ",
    ),
    *("sshpass ", "sshpass -P a ", " -v", " -P", "-p", " -p ", " -p,", "-p1:", "1:", "mkdir", "--auth ", "--auth a:"),
    *("--auth,", "-auth", "a:", "a@tcp(", ":a@tcp(", "a:b@tcp( ", "--dbpass ", "-passin", "pwd=", ";pwd=", "pwd: /"),
    *("dbpass=", "pass", "AccountKey=", "$(", "../", "sshpass -P ", "sshpass -P /"),
    *('mongo "-p",', 'mongo "-p","', 'mongo \\"-p\\",\\"', "mongo '-p','", "mongo -p, '", '"-a",', '"-a","'),
    *("authorization: {", "authorization=[", "authorization: a ", "authorization:}", "}", "a-", "\t", "eyJhdXRocyI6"),
    *(
        "eyJ",
        "\\neyJ",
        "ctr ",
        "ctr pull ",
        " pull ",
        "ctr pull -u ",
        "crictl ",
        "crictl --auth",
        "--auth=",
        "--creds a:",
    ),
    *(
        "configure set ",
        "configure set a_token ",
        "aws_secret_access_key ",
        "aws_secret_access_key,",
        "machine a ",
        "login a ",
    ),
    *("machine a login a password ", "\npassword ", "password a1", "X-Amz-Signature%3D", "3F", "%26", "%25", "%"),
]
# What the pieces follow: a rule is then in the middle of its work.
BEGINNINGS = [
    "",
    'password="',
    "password='",
    "password=",
    "token: [",
    "eyJ",
    "http://a?",
    "user-data: \\",
    "mysql -u",
    "sshpass",
    "--auth",
]
# A repetition's least number of times is behind the first text; matches may take two or three pieces at a time.
LENGTHS = (6, 12, 18)


def bend(pattern: str, flags: int, beginning: str, piece: str) -> int:
    """Return how many more steps the last pieces take than as many before them: none, where work grows as text does."""
    least = max((int(times) for times in re.findall(r"\{(\d+),\}", pattern)), default=0)
    further = max(1, -(-least // (LENGTHS[0] * len(piece))))
    once, twice, thrice = (steps(pattern, flags, beginning + piece * times * further) for times in LENGTHS)
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
