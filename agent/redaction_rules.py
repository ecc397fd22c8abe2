"""The kinds of secrets. A rule never cuts more than a value, and leaves quotes, commas and brackets around it.

No rule may take more than a constant time for each character, whatever a pod logs: where a part of a pattern can run
far, another start of the same pattern either ends it or cannot stand in it. A test counts the steps.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from agent import redaction_cuts as cuts
from agent import redaction_programs as programs
from agent.redaction_cuts import CUT, STAMP

# Names of secrets wherever they end a key: DB_PASSWORD, client-key-data, net.ipv6.conf.all.stable_secret.
NAMES = (
    r"passw(?:or)?d|passphrase|[_-]pwd|secret|token|fastopen_key|x-amz-(?:signature|credential)|awsaccesskeyid|"
    r"master[_-]?auth|(?-i:[A-Z0-9]_PASS)|(?:\b|_)psk|"
    r"(?:pre[_-]?shared|api|access|account|secret|private|encryption|signing|client)[_-]?key(?:-data)?"
)
_SET = r"[ \t]*(?::=|=>|[:=])[ \t]*"
_ASSIGN = rf"(?P<key>\\*[\"']?){_SET}"
# No secrets: a reference such as kubelet's secret="kube-system/regcred", and the path of a file with a key.
_REFERENCE = (
    rf"(?!(?<![\w.-])secret\\*[\"']?{_SET}(?-i:\\*[\"']?[a-z0-9.-]+/[a-z0-9.-]+\\*[\"']?(?:[\s,)}}\]]|$))|"
    rf"(?:private|encryption|signing|client)[_-]?key\\*[\"']?{_SET}\\*[\"']?/(?:[\w.-]+/)++[\w.-]++(?:[\s\"',\\]|$))"
)
# In double quotes with escapes, in quotes that are escaped themselves (JSON in JSON), in single quotes, or bare. None
# runs past a double quote that may end a string around it.
_DOUBLE = r"(?:[^\"\\\n]|\\.)+"
_ESCAPED = r"(?:[^\"\\\n]|\\++(?!\"))+"
_SINGLE = r"(?:[^'\"\n]|''|\"(?=[^'\"\n]*'))+"
_BARE = r"(?:[^\s\"'\\&]|\\(?![nrtu\"'\\]))*(?:[^\s\"'\\&,;)}\]]|\\(?![nrtu\"'\\]))"
# The quote after "password=" may be the end of the string that ends with it: what follows is then no value.
_OUTSIDE = rf"[ \t]*[,}}\]:](?!{_DOUBLE}\"(?:[\s,;)}}\]]|$))"
_QUOTED = rf"(?P<quote>\")(?!{CUT}|{_OUTSIDE}){_DOUBLE}|(?P<slashed>\\+\")(?!{CUT}|[ \t]*[,}}\]:]){_ESCAPED}"
_STRING = rf"{_QUOTED}|(?P<single>')(?!{CUT}|''){_SINGLE}"
_VALUE = rf"(?:{_STRING}|(?!\[){_BARE})"
_NAMED = rf"(?i:(?:{NAMES})s?|user[_-]?data)[\\\"']*[ \t]*(?:[:=>]|\"[ \t]*,)"
# No table, no list, no comment, and not what follows a string that ends with the key.
_STARTS = r"[^\s\"'\\,:;#{}\[\]]"
_USER_DATA = r"\buser[_-]?data"
_JSON = r"eyJ[A-Za-z0-9+/_-]{8}"
_URL = r"[^\s\"'<>]"
# A URL may be the value of another's query, percent-encoded once or more often.
_SIGNATURE = r"(?:X-Amz-(?:Signature|Credential|Security-Token)|AWSAccessKeyId|Signature)(?:=|%(?:25)*3D)"
_SIGNED = r"(?i:(?:x-amz-|awsaccesskeyid|signature)[a-z-]*(?:=|%(?:25)*3d))"
_LIST_ITEM = (
    rf"(?:[\s,\[]|\\+[nrt])*(?:(?!\"{_OUTSIDE})\"(?:[^\"\\\n]|\\.)*\"|\\+\"(?:[^\"\\\n]|\\++(?!\"))*\\+\"|'[^'\n]*'"
    r"|(?<=\s)#[^\n]*)|[ \t,\[]*[^\s,\[\]{}\"'\\#]+"
)
# The rest of a line of YAML after a key whose value stands below.
_BELOW = r"[\"']?[ \t]*:[ \t]*"
_LINE_END = r"[ \t]*(?:#[^\n]*)?\r?\n"
_LEFT_OPEN = r":[ \t]*[#\r\n]"
# A line, and those below that stand as far right or are blank.
_LINES = rf"[^\n]*(?:(?:\n{STAMP}[ \t\r]*)*\n{STAMP}(?P=indent)[ ]*[^\s][^\n]*)*"
# The end of dbpass and requirepass, but of no word of another meaning.
_PASS = (
    r"pass(?<!bypass|nopass)(?<!compass|surpass|askpass|keepass|lowpass|allpass|onepass|twopass)"
    r"(?<!trespass|overpass|highpass|bandpass)(?<!underpass|multipass|proxypass)(?<!singlepass)"
)
_OPTION = rf"(?<![\w.-])--?[\w.-]*(?:{NAMES}|{_PASS}(?:in|out)?)"
# An option that takes NAME:PASSWORD: --auth, --basic-auth, --src-creds.
_AUTH = r"(?<![\w.-])--?[\w.-]*(?:auth(?<!-anyauth)(?<!-insecure[_-]auth)|creds)"
# Paths, and what a shell or sudo says of a folder: no password, where the name may be the folder's.
_FOLDER = r"/|~|\.\.?(?:[/\s]|$)|\$[({P]|`|unknown\b"


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of secret: `keep` of the pattern stays. What it matches holds a match of `trigger` (RE2 syntax).

    And of `needs`, which `re` looks for at twenty times the speed of a pattern that begins with a name.
    """

    pattern: str
    trigger: str
    flags: re.RegexFlag = re.NOFLAG
    cut: Callable[[re.Match[str]], str] = cuts.whole
    needs: str = ""


# Secrets that are known by their form.
FORMS = (
    # No key is longer than 16 KiB: a log that only mentions the marker does not lose what follows for good.
    Rule(
        rf"(?P<keep>-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----)(?!{CUT})(?:(?!-----).){{1,16384}}",
        r"-----BEGIN [A-Z ]*PRIVATE KEY",
        re.DOTALL,
    ),
    # The same in base64, as kubeconfigs and Secrets hold it: PRIVATE, RSA, EC, DSA, OPENSSH, ENCRYPTED and PGP keys.
    Rule(
        r"(?P<keep>LS0tLS1CRUdJTi(?:BQUklWQVRF|BSU0Eg|BFQyBQ|BEU0Eg|BPUEVOU1NI|BFTkNSWVBU|BQR1AgUFJJVkFU))"
        r"[A-Za-z0-9+/=]+",
        r"LS0tLS1CRUdJTiB",
    ),
    # Pre-signed URLs, by Signature Version 4 and by its predecessor; the whole query goes. Only the first URL of a word
    # is a start, as a word may hold nothing but starts.
    Rule(
        rf"(?P<keep>(?<!{_URL})(?>{_URL}*?https?://)[^\s?\"'<>]+\?){_URL}*{_SIGNATURE}{_URL}*",
        _SIGNED,
        re.IGNORECASE,
    ),
    Rule(rf"(?P<keep>(?:\b|(?<=3F|26)){_SIGNATURE})(?!{CUT})(?:(?!%(?:25)*26)[^\s&\"'<>,\\])+", _SIGNED, re.IGNORECASE),
    Rule(r"(?P<keep>k8s-aws-v1\.)[A-Za-z0-9_-]+", r"k8s-aws-v1\."),
    Rule(
        rf"(?P<keep>\bauthorization(?P<key>\\*[\"']?)[ \t]*[:=][ \t]*(?:\[[ \t]*)?(?P<opens>\\*[\"'])?"
        rf"(?P<scheme>[a-z0-9-]+[ \t]+(?={_STARTS}))?+)(?!{CUT})(?={_STARTS})[^\s\"'\\\],]*[^\s\"'\\\],{{}}]",
        r"(?i:authorization)",
        re.IGNORECASE,
        cuts.header,
    ),
    Rule(rf"(?P<keep>\bbearer[ \t]+)(?!{CUT})[A-Za-z0-9._~+/=-]{{8,}}", r"(?i:bearer)[ \t]", re.IGNORECASE),
    Rule(
        rf"(?P<keep>\bcookie\\*[\"']?[ \t]*:[ \t\[\\\"']*)(?!{CUT})[^\s=:;,\"'\\\]]+=[^\s;,\"'\\\]]*"
        r"(?:;[ \t]*[^\s;,\"'\\\]]+)*",
        r"(?i:cookie)[\\\"']*[ \t]*:",
        re.IGNORECASE,
    ),
    # The password ends at the last @ before the path: many are written with an @ that should have been %40.
    Rule(
        rf"(?P<keep>\b[a-z][a-z0-9+.-]{{1,10}}://)(?!{CUT})[^\s/:@\"'\\]*:(?:[^\s/\"'\\]|\\+u[0-9a-f]{{4}})+(?=@)",
        r"://[^\s/:@\"'\\]*:[^\s/\"']+@",
        re.IGNORECASE,
    ),
    Rule(rf"(?P<keep>{programs.CREDENTIALS})(?!{CUT})[^\s\"'\\]+", programs.CREDENTIALS_TRIGGER, needs="-u"),
    Rule(
        rf"(?P<keep>{programs.LETTER})(?!{programs.NO_WORD})"
        rf"(?:{programs.GLUED}|{programs.STRING}(?:{_STRING})|{programs.WORD})",
        programs.LETTER_TRIGGER,
    ),
    # The name of a source of Go's MySQL driver: USER:PASSWORD@tcp(HOST:PORT)/NAME.
    Rule(
        rf"(?P<keep>(?<![^\s\"'])[^\s\"':]*:)(?!{CUT}|//)[^\s\"']+(?=@(?:tcp[46]?|unix|cloudsql)\()",
        r"@(?:tcp[46]?|unix|cloudsql)\(",
    ),
    Rule(r"(?P<keep>\b(?:AKIA|ASIA))[A-Z0-9]{16}\b", r"(?:AKIA|ASIA)[A-Z0-9]"),
    # What STS and ECR hand out begins alike, and so does a registry's {"auths" with blanks or tabs.
    Rule(
        r"(?P<keep>\b(?:IQoJb3JpZ2lu|FwoGZXIv|FQoGZXIv|QVdTOmV5|ewo(?:JImF1dGhz|gICJhdXRocyI6|gICAgImF1dGhz)))"
        r"[A-Za-z0-9+/=_%-]{16,}",
        r"IQoJb3|oGZXIv|QVdTOmV5|ewo(?:JImF1|gICJhdX|gICAgImF1)",
    ),
    # Only the first eyJ of a word is a start: if a later one began a token, so does this one.
    Rule(
        r"(?P<keep>(?<![A-Za-z0-9_-])(?>[A-Za-z0-9_-]*?eyJ))[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*",
        _JSON,
    ),
    # JSON in base64: ECR's password, {"payload", a registry's {"auths", and more of the kind. Neither where a list of
    # the API server goes on, {"v":"meta.k8s.io, nor a source map, {"version":3.
    Rule(
        r"(?P<keep>(?:(?<![A-Za-z0-9+/_-])|(?<=\\[nrt]))eyJ)(?!2IjoibWV0YS5rOHMu|2ZXJzaW9uIjoz)"
        r"(?:(?:hdXRocyI6|wYXlsb2FkIjoi)[A-Za-z0-9+/_-]{16,}|[A-Za-z0-9+/_-]{60,})={0,2}",
        _JSON,
        needs="eyJ",
    ),
    Rule(
        r"(?P<keep>\b(?:gh[opsur]_|github_pat_|glpat-|xox[abeprs]-))[A-Za-z0-9_-]{16,}",
        r"gh[opsur]_[A-Za-z0-9_-]|github_pat_|glpat-|xox[abeprs]-",
    ),
)
# Secrets that are known by a name, where the format decides what the value is.
_NAMED_VALUES = (
    # "DB_PASSWORD=words with spaces": an environment variable as a string of its own.
    Rule(rf"(?P<keep>\"[\w.-]*(?:{NAMES})=)(?!{CUT}){_DOUBLE}", _NAMED, re.IGNORECASE),
    # {"name": "DB_PASSWORD", "value": "…"}: an environment variable of a container, in JSON and in YAML.
    Rule(
        rf"(?P<keep>\"[\w.-]*(?:{NAMES})\"[ \t]*,\s*\"value\"[ \t]*:[ \t]*\")(?!{CUT}){_DOUBLE}",
        _NAMED,
        re.IGNORECASE,
    ),
    Rule(
        rf"(?P<keep>\bname: [ ]*[\"']?[\w.-]*(?:{NAMES})[\"']?{_LINE_END}{STAMP}[ ]*value(?P<key>):[ ]+)"
        rf"(?!{CUT}){_VALUE}",
        rf"(?i:name): [ ]*[\"']?[\w.-]*(?i:{NAMES})[\"']?[ \t]*[\r\n#]",
        re.IGNORECASE,
        cuts.value,
    ),
    Rule(
        rf"(?P<keep>{_OPTION}(?:[ \t]+|(?P<around>[\"'])[ \t]+(?=(?P=around))))"
        rf"(?!-|<[\w-]+>)(?:{_STRING}|[^\s\"'\\]+)",
        rf"-[\w.-]*(?i:{NAMES}|pass(?:in|out)?)[\"']?[ \t]+[^\s-]",
        re.IGNORECASE,
    ),
    # The same as a list of words, in JSON and in YAML.
    Rule(
        rf"(?P<keep>{_OPTION}[\"'\\]+,(?:\s|\\+[nrt])*)(?=[\"'\\]+[^\"'\\-])(?:{_STRING})",
        rf"-[\w.-]*(?i:{NAMES}|pass(?:in|out)?)[\"'\\]+,",
        re.IGNORECASE,
    ),
    Rule(
        rf"(?P<keep>{_OPTION}[\"']?{_LINE_END}{STAMP}[ ]*-[ ]+)(?!-|<[\w-]+>)(?:{_STRING}|[^\s\"'\\]+)",
        rf"-[\w.-]*(?i:{NAMES}|pass(?:in|out)?)[\"']?[ \t]*[\r\n#]",
        re.IGNORECASE,
    ),
    Rule(
        rf"(?P<keep>{_AUTH}(?:[\"']?(?:=|[ \t]+)|[\"'\\]+,(?:\s|\\+[nrt])*|[\"']?{_LINE_END}{STAMP}[ ]*-[ ]+)"
        rf"[\"'\\]*[^\s:/\"'\\,=]+:)(?!{CUT}|//){programs.WORD}",
        r"-[\w.-]*(?i:auth|creds)(?:[\"']?[= \t][ \t]*[^\s:/,=]+:|[\"'\\]+,|[\"']?[ \t]*[\r\n#])",
        re.IGNORECASE,
    ),
    Rule(
        rf"(?P<keep>\bconfigure[ \t]+set[ \t]+[\w.-]*(?i:{NAMES})[ \t]+[\"']?)(?!{CUT}|-)[^\s\"'\\]+",
        r"configure[ \t]+set[ \t]",
        needs="configure",
    ),
    # A blank is enough after what no prose has, and before what is no word: ENV AWS_SECRET_ACCESS_KEY, in a list too.
    Rule(
        r"(?P<keep>(?<![a-z0-9])aws_(?:secret_access_key|session_token|security_token)"
        r"(?:[ \t]+|[\"'\\]+,[ \t]*(?=[\"'\\]))[\"'\\]*)[a-z0-9/+=]{16,}(?![\w.-])",
        r"(?i:aws_(?:secret|session|security)_[a-z_]+)[\"'\\]*[ \t,]",
        re.IGNORECASE,
    ),
    Rule(rf"(?P<keep>{programs.NETRC}[\"']?)(?!{CUT})[^\s\"'\\]+", programs.NETRC_TRIGGER, needs="login"),
    Rule(rf"(?P<keep>{programs.LINE})(?!{CUT}){programs.LINE_VALUE}", programs.LINE_TRIGGER, needs=r"password[ \t]"),
    # Docker's and containerd's registry credentials: only in quotes, as "auth" is a word of prose as well.
    Rule(rf"(?P<keep>\bauth{_ASSIGN})(?:{_QUOTED})", r"(?i:auth)[\\\"']*[ \t]*[:=]", re.IGNORECASE),
    # User data: our own reports say in a few words how it was read.
    Rule(
        rf"(?P<keep>{_USER_DATA}[\"']?[ \t]*(?:=|:(?=[ \t]*\\*[\"'][^\"'\n]{{24}}))[ \t]*)(?:{_STRING})",
        _NAMED,
        re.IGNORECASE,
    ),
    Rule(rf"(?P<keep>{_USER_DATA}\\*[\"']?{_SET})[A-Za-z0-9+/=]{{32,}}", _NAMED, re.IGNORECASE),
    Rule(rf"(?P<keep><[\w:.-]*(?:{NAMES})>)(?!{CUT})[^<>\n]+(?=</)", _NAMED, re.IGNORECASE),
    Rule(
        rf"(?P<keep>{_PASS}(?!(?<=\b(?-i:PASS))[\"' \t]*:){_ASSIGN})(?!{CUT}){_VALUE}",
        r"(?i:pass)[\\\"']*[ \t]*[:=]",
        re.IGNORECASE,
        cuts.word,
    ),
    # ADO's and ODBC's Pwd=, where it is no folder.
    Rule(
        rf"(?P<keep>\bpwd(?!(?<!;pwd)\\*[\"']?{_SET}[ \t\"'\\]*(?:{_FOLDER})){_ASSIGN})(?!{CUT}){_VALUE}",
        r"(?i:pwd)[\\\"']*[ \t]*[:=][=>]?[ \t]*[^/ \t]|;(?i:pwd)[\\\"']*[ \t]*[:=]",
        re.IGNORECASE,
        cuts.sentence,
    ),
    Rule(
        rf"(?P<keep>(?:{NAMES})\\*[\"']?[ \t]*:[ \t]*\r?\n[ \t]+)(?:{_STRING})",
        _NAMED,
        re.IGNORECASE,
        needs=_LEFT_OPEN,
    ),
    Rule(rf"(?P<keep>{_REFERENCE}(?:{NAMES}){_ASSIGN})(?!{CUT}){_VALUE}", _NAMED, re.IGNORECASE, cuts.value),
)
# The same where the value runs over lines, or is a list.
_LONG_VALUES = (
    # TOML's triple quotes; one that never ends costs 16 KiB, as a private key does.
    Rule(
        rf"(?P<keep>(?:{NAMES}|{_USER_DATA})\\*[\"']?{_SET})(?:"
        rf"(?P<quote>\"{{3}})(?!{CUT})(?:\\.|(?!\"{{3}})[^\\]){{1,16384}}|"
        rf"(?P<single>'{{3}})(?!{CUT})(?:(?!'{{3}}).){{1,16384}}|"
        rf"(?P<slashed>(?P<mark>\\+\")(?P=mark){{2}})(?!{CUT})(?:(?!(?P=slashed)).){{1,16384}})",
        _NAMED,
        re.IGNORECASE | re.DOTALL,
        needs=r"[\"']{3}|\"\\",
    ),
    Rule(
        rf"(?P<keep>(?:{NAMES})s?{_ASSIGN})\[(?P<items>(?:{_LIST_ITEM})+)",
        _NAMED,
        re.IGNORECASE,
        cuts.items,
        r"[:=>][ \t]*\[",
    ),
    Rule(
        rf"(?P<keep>(?:{NAMES})s?{_BELOW}{_LINE_END})(?P<items>(?={STAMP}(?P<indent>[ ]*)-)"
        rf"(?:{STAMP}[ ]*-[ ]+(?!{CUT})(?:\"[^\"\n]*\"|'[^'\n]*'|(?![\"'\[{{|>&*!#-])[^\s]*[^\s:])[ \t]*"
        r"(?:\r?\n|\Z))+)",
        _NAMED,
        re.IGNORECASE,
        cuts.entries,
        _LEFT_OPEN,
    ),
    Rule(
        rf"(?P<keep>(?:{NAMES}|{_USER_DATA}){_BELOW}[|>][0-9+-]{{0,2}}{_LINE_END}(?:{STAMP}[ \t]*\r?\n)*"
        rf"{STAMP}(?P<indent>[ ]+))(?!{CUT})(?=[^\s]){_LINES}",
        _NAMED,
        re.IGNORECASE,
        cuts.block,
        r":[ \t]*[|>]",
    ),
    # A plain word on the next line is a value where it is no key and no list; in JSON no value is plain.
    Rule(
        rf"(?P<keep>(?:{NAMES})'?[ \t]*:{_LINE_END}{STAMP}(?P<indent>[ ]+))(?!{CUT})"
        rf"(?![\"'\[{{|>&*!#-]|[\w./-]+[\"']?:(?:\s|\Z))(?=[^\s]){_LINES}",
        _NAMED,
        re.IGNORECASE,
        cuts.block,
        _LEFT_OPEN,
    ),
)
NAMED = (*_LONG_VALUES, *_NAMED_VALUES)
# What stands in all that the latter match.
NAME = rf"(?i){NAMES}|user[_-]?data|pass|pwd|auth|creds"
RULES = (*FORMS, *NAMED)
# A line without a match of this has nothing for any rule.
TRIGGERS = "|".join(dict.fromkeys(rule.trigger for rule in RULES))
