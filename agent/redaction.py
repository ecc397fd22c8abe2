"""Cuts secrets out of text: what the logger, the status writer and the bundle writer put their lines through.

A rule never cuts more than a value, and leaves quotes, commas and brackets around it, so that JSON, YAML and TOML stay
what they were. All rules but that of private keys stay within a line.
"""

import re
from dataclasses import dataclass
from functools import cache

CUT = "<redacted>"

# Names of secrets wherever they end a key: DB_PASSWORD, client-key-data, net.ipv6.conf.all.stable_secret.
_NAMES = (
    r"passw(?:or)?d|passphrase|[_-]pwd|secret|token|fastopen_key|x-amz-(?:signature|credential)|awsaccesskeyid|"
    r"(?:api|access|secret|private|encryption|signing|client)[_-]?key(?:-data)?"
)
# A reference such as kubelet's secret="kube-system/regcred" is no secret.
_REFERENCE = r"(?-i:\\*[\"']?[a-z0-9.-]+/[a-z0-9.-]+\\*[\"']?(?:[\s,)}\]]|$))"
_ASSIGN = r"(?P<key>\\*[\"']?)[ \t]*(?::=|=>|[:=])[ \t]*"
# In double quotes with escapes, in quotes that are escaped themselves (JSON in JSON), in single quotes, or bare. None
# runs past a double quote that may end a string around it.
_DOUBLE = r"(?:[^\"\\\n]|\\.)+"
_ESCAPED = r"(?:[^\"\\\n]|\\(?!\\*\"))+"
_SINGLE = r"(?:[^'\"\n]|\"(?=[^'\"\n]*'))+"
_BARE = r"(?:[^\s\"'\\&]|\\(?![nrtu\"'\\]))*(?:[^\s\"'\\&,;)}\]]|\\(?![nrtu\"'\\]))"
_QUOTED = rf"(?P<quote>\")(?!{CUT}){_DOUBLE}|(?P<slashed>\\+\")(?!{CUT}){_ESCAPED}"
_VALUE = rf"(?:{_QUOTED}|(?P<single>')(?!{CUT}){_SINGLE}|{_BARE})"


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of secret: `keep` of the pattern stays. What it matches holds a match of `trigger` (RE2 syntax)."""

    pattern: str
    trigger: str
    flags: re.RegexFlag = re.NOFLAG


RULES: tuple[Rule, ...] = (
    # No key is longer than 16 KiB: a log that only mentions the marker does not lose what follows for good.
    Rule(
        rf"(?P<keep>-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----)(?!{CUT})(?:(?!-----).){{1,16384}}",
        r"-----BEGIN [A-Z ]*PRIVATE KEY",
        re.DOTALL,
    ),
    # The same in base64, as kubeconfigs and Secrets hold it: PRIVATE, RSA, EC, OPENSSH and ENCRYPTED keys.
    Rule(
        r"(?P<keep>)LS0tLS1CRUdJTi(?:BQUklWQVRF|BSU0Eg|BFQyBQ|BPUEVOU1NI|BFTkNSWVBU)[A-Za-z0-9+/=]+",
        r"LS0tLS1CRUdJTiB",
    ),
    # Pre-signed URLs, by Signature Version 4 and by its predecessor; the whole query goes. The parts are bounded, or a
    # line of nothing but beginnings of URLs would take the square of its length.
    Rule(
        r"(?P<keep>https?://[^\s?\"'<>]{1,4096}\?)[^\s\"'<>]{0,16384}"
        r"(?:X-Amz-(?:Signature|Credential|Security-Token)|AWSAccessKeyId|Signature)=[^\s\"'<>]*",
        r"(?i:(?:x-amz-|awsaccesskeyid|signature)[a-z-]*)=",
        re.IGNORECASE,
    ),
    Rule(
        rf"(?P<keep>\b(?:X-Amz-(?:Signature|Credential|Security-Token)|AWSAccessKeyId|Signature)=)"
        rf"(?!{CUT})[^\s&\"'<>,\\]+",
        r"(?i:(?:x-amz-|awsaccesskeyid|signature)[a-z-]*)=",
        re.IGNORECASE,
    ),
    Rule(r"(?P<keep>k8s-aws-v1\.)[A-Za-z0-9_-]+", r"k8s-aws-v1\."),
    Rule(
        rf"(?P<keep>\bauthorization\\*[\"']?[ \t]*[:=][ \t\[\\\"']*(?:[a-z0-9-]+[ \t]+)?)(?!{CUT})[^\s\"'\\\],]+",
        r"(?i:authorization)",
        re.IGNORECASE,
    ),
    Rule(rf"(?P<keep>\bbearer[ \t]+)(?!{CUT})[A-Za-z0-9._~+/=-]{{8,}}", r"(?i:bearer)[ \t]", re.IGNORECASE),
    Rule(
        rf"(?P<keep>\b[a-z][a-z0-9+.-]{{1,10}}://)(?!{CUT})[^\s/:@\"'\\]{{0,256}}:[^\s/@\"'\\]{{1,4096}}(?=@)",
        r"://[^\s/:@\"']*:[^\s/@\"']+@",
        re.IGNORECASE,
    ),
    Rule(r"(?P<keep>\b(?:AKIA|ASIA))[A-Z0-9]{16}\b", r"(?:AKIA|ASIA)[A-Z0-9]"),
    # What STS and ECR hand out begins alike.
    Rule(r"(?P<keep>\b(?:IQoJb3JpZ2lu|FwoGZXIv|FQoGZXIv|QVdTOmV5))[A-Za-z0-9+/=_%-]{16,}", r"IQoJb3|oGZXIv|QVdTOmV5"),
    Rule(r"(?P<keep>\beyJ)[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*", r"eyJ[A-Za-z0-9_-]*\."),
    Rule(
        r"(?P<keep>\b(?:gh[opsur]_|github_pat_|glpat-|xox[abeprs]-))[A-Za-z0-9_-]{16,}",
        r"gh[opsur]_[A-Za-z0-9]|github_pat_|glpat-|xox[abeprs]-",
    ),
    # "DB_PASSWORD=words with spaces": an environment variable as a string of its own.
    Rule(
        rf"(?P<keep>\"[\w.-]*(?:{_NAMES})=)(?!{CUT}){_DOUBLE}",
        rf"(?i:{_NAMES})=",
        re.IGNORECASE,
    ),
    # {"name": "DB_PASSWORD", "value": "…"}: an environment variable of a container.
    Rule(
        rf"(?P<keep>\"[\w.-]*(?:{_NAMES})\"[ \t]*,[ \t]*\"value\"[ \t]*:[ \t]*\")(?!{CUT}){_DOUBLE}",
        rf"(?i:{_NAMES})\"[ \t]*,",
        re.IGNORECASE,
    ),
    Rule(
        rf"(?P<keep>(?<![\w.-])--?[\w.-]*(?:{_NAMES})(?:[ \t]+|[\"'\\]+,[ \t]*[\"'\\]+))(?!-|{CUT})[^\s\"'\\]+",
        rf"-[\w.-]*(?i:{_NAMES})(?:[ \t]+|[\"'\\]+,[ \t]*[\"'\\]+)[^\s\"'\\-]",
        re.IGNORECASE,
    ),
    # Docker's and containerd's registry credentials: only in quotes, as "auth" is a word of prose as well.
    Rule(
        rf"(?P<keep>\bauth{_ASSIGN})(?:{_QUOTED})",
        r"(?i:auth)[\\\"']*[ \t]*[:=]",
        re.IGNORECASE,
    ),
    Rule(
        rf"(?P<keep>(?:{_NAMES}){_ASSIGN})(?!{CUT}|{_REFERENCE}){_VALUE}",
        rf"(?i:{_NAMES})[\\\"']*[ \t]*[:=]",
        re.IGNORECASE,
    ),
)
# A line without a match of this has nothing for any rule.
TRIGGERS = "|".join(dict.fromkeys(rule.trigger for rule in RULES))
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
# What JSON, YAML and TOML write without quotes and mean: not secrets, and a string in their place may be refused.
_PLAIN = frozenset({"null", "true", "false", "~", "|", ">", "|-", ">-", "{", "[", "{}", "[]"})


@dataclass(frozen=True, slots=True)
class Redacted:
    """Text without its secrets, and how many were cut."""

    text: str
    count: int


def cut_secrets(text: str) -> Redacted:
    """Replace every secret in `text`; what stands before it stays, so that a reader sees what was cut."""
    total = 0

    def replace(match: re.Match[str]) -> str:
        nonlocal total
        new = _replacement(match)
        total += new != match[0]
        return new

    for pattern in _patterns():
        text = pattern.sub(replace, text)
    return Redacted(text, total)


def redact(text: str) -> str:
    """Return `text` without its secrets."""
    return cut_secrets(text).text


@cache
def _patterns() -> tuple[re.Pattern[str], ...]:
    """Compile the rules when the first text comes: 10 ms that most processes need not spend at their start."""
    return tuple(re.compile(rule.pattern, rule.flags) for rule in RULES)


def _replacement(match: re.Match[str]) -> str:
    groups = match.groupdict()
    keep: str = groups["keep"]
    opening = groups.get("quote") or groups.get("slashed") or groups.get("single") or ""
    value = match[0][len(keep) + len(opening) :]
    if "single" not in groups or opening:
        return keep + opening + CUT
    if value.lower() in _PLAIN:
        return match[0]
    # A number's place in JSON or TOML takes a string only in quotes: those of the key, which may be escaped.
    quote = groups["key"] or ('"' if keep.endswith("= ") else "")
    return keep + (quote + CUT + quote if _NUMBER.fullmatch(value) else CUT)
