"""What stands in a secret's place: the mark, and around it what keeps JSON, YAML and TOML what they were."""

import re
from string import ascii_letters, digits

CUT = "<redacted>"
# The container runtime's stamp in front of each line of a pod's log.
STAMP = r"(?:[0-9T:.Z+-]{20,35} std(?:out|err) [FP] )?"

_STAMP = re.compile(STAMP)
_HEADER = re.compile(r"[|>][0-9+-]{0,2}")
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
# What JSON, YAML, TOML and Go write without quotes and mean: not secrets, and a string in their place may be refused.
_PLAIN = frozenset(
    {*("null", "true", "false", "~", "none", "nil", "<nil>", "<none>", "yes", "no", "on", "off"), *("{", "{}")}
)
# Where a key in quotes has a value without, it is JSON's, and ends before a comma or a bracket.
_LITERAL = re.compile(r"(?:null|true|false|\{\}|-?[0-9][0-9.eE+-]*)(?=[,}\]])")
_TABLE = re.compile(r"\{[\w.-]+[:=]")
_ITEM = re.compile(
    r"(?P<quote>\")(?:[^\"\\\n]|\\.)+\"|(?P<slashed>\\+\")(?:[^\"\\\n]|\\++(?!\"))+(?P=slashed)|(?P<single>')[^'\n]+'"
    r"|(?<=\s)#[^\n]*|[\"'\\]+[nrt]?|(?P<bare>[^\s,\[\]\"'\\]+)"
)
_ENTRY = re.compile(rf"(?m)^(?P<dash>{STAMP}[ ]*-[ ]+)(?P<quote>[\"']?)[^\r\n]*?(?P<after>(?P=quote)[ \t\r]*)$")


def whole(match: re.Match[str]) -> str:
    """Cut all that follows what is kept and the quote after it."""
    return _kept(match) + CUT


def value(match: re.Match[str]) -> str:
    """Cut a value; without quotes it may be a word of its format, or a number, whose place takes a string in quotes."""
    kept = _kept(match)
    bare = match[0][len(kept) :]
    if kept != match["keep"]:
        return kept + CUT
    literal = _LITERAL.match(bare) if match["key"] else None
    bare, rest = (literal[0], bare[literal.end() :]) if literal else (bare, "")
    if bare.lower() in _PLAIN or not bare.strip("*") or _HEADER.fullmatch(bare) or _TABLE.fullmatch(bare):
        return match[0]
    # A number's place in JSON or TOML takes a string only in quotes: those of the key, which may be escaped.
    quote = match["key"] or ('"' if kept.endswith("= ") else "")
    return kept + (quote + CUT + quote if _NUMBER.fullmatch(bare) else CUT) + rest


def header(match: re.Match[str]) -> str:
    """Cut what follows the scheme of a header; without a scheme and quotes, a value that may be its format's."""
    return whole(match) if match["opens"] or match["scheme"] else value(match)


def word(match: re.Match[str]) -> str:
    """Cut the value of a key that prose has as well, unless it is a number; that of dbpass=1 is a password."""
    bare = match[0][len(match["keep"]) :]
    joined = match.string[max(0, match.start() - 1) : match.start()].isalnum()
    return match[0] if _NUMBER.fullmatch(bare) and not joined else sentence(match)


def sentence(match: re.Match[str]) -> str:
    """Cut the value of a key that prose has as well, unless more words follow."""
    prose = ":" in match["keep"] and re.match(r"[ \t]+[^\s#]", match.string[match.end() : match.end() + 80])
    return match[0] if prose and _kept(match) == match["keep"] else value(match)


def items(match: re.Match[str]) -> str:
    """Cut each string of a list in brackets; numbers and comments stay."""
    return f"{match['keep']}[{_ITEM.sub(_item, match['items'])}"


def entries(match: re.Match[str]) -> str:
    """Cut each entry of a YAML list, whose dashes stand no further left than its key."""
    if len(match["indent"]) < _column(match):
        return match[0]
    return str(match["keep"]) + _ENTRY.sub(rf"\g<dash>\g<quote>{CUT}\g<after>", match["items"])


def block(match: re.Match[str]) -> str:
    """Cut the lines below a YAML key, which stand further right than it."""
    lines = match[0][len(match["keep"]) :]
    if len(match["indent"]) <= _column(match) or lines.strip().lower() in _PLAIN:
        return match[0]
    return str(match["keep"]) + CUT


def _kept(match: re.Match[str]) -> str:
    groups = match.groupdict()
    opening = groups.get("quote") or groups.get("slashed") or groups.get("single") or ""
    return str(match["keep"]) + opening


def _item(match: re.Match[str]) -> str:
    quote = match["quote"] or match["slashed"] or match["single"]
    if quote:
        return quote + CUT + quote
    bare = match["bare"]
    return match[0] if not bare or bare.lower() in _PLAIN or _NUMBER.fullmatch(bare) else CUT


def _column(match: re.Match[str]) -> int:
    """Return where the key begins on its line, the runtime's stamp not counted."""
    line = match.string[match.string.rfind("\n", 0, match.start()) + 1 : match.start()]
    stamp = _STAMP.match(line)
    return len(line.rstrip(ascii_letters + digits + "_.\"'-")) - (stamp.end() if stamp else 0)
