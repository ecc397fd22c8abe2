"""Cuts secrets out of text: what the logger, the status writer and the bundle writer put their lines through."""

import re
from dataclasses import dataclass
from functools import cache

from agent.redaction_rules import FORMS, NAME, NAMED, Rule

_Compiled = tuple[Rule, re.Pattern[str], re.Pattern[str]]


@dataclass(frozen=True, slots=True)
class Redacted:
    """Text without its secrets, and how many were cut."""

    text: str
    count: int


def cut_secrets(text: str) -> Redacted:
    """Replace every secret in `text`; what stands before it stays, so that a reader sees what was cut."""
    text, total = _apply(_compiled(FORMS), text)
    if _name().search(text):
        text, named = _apply(_compiled(NAMED), text)
        total += named
    return Redacted(text, total)


def redact(text: str) -> str:
    """Return `text` without its secrets."""
    return cut_secrets(text).text


def _apply(rules: tuple[_Compiled, ...], text: str) -> tuple[str, int]:
    count = 0
    for rule, needed, pattern in rules:
        if not rule.needs or needed.search(text):
            text, cut = _cut(rule, pattern, text)
            count += cut
    return text, count


def _cut(rule: Rule, pattern: re.Pattern[str], text: str) -> tuple[str, int]:
    count = 0

    def replace(match: re.Match[str]) -> str:
        nonlocal count
        new = rule.cut(match)
        count += new != match[0]
        return new

    return pattern.sub(replace, text), count


@cache
def _compiled(rules: tuple[Rule, ...]) -> tuple[_Compiled, ...]:
    """Compile rules when the first text comes for them: 20 ms that most processes need not spend at their start."""
    return tuple((rule, re.compile(rule.needs), re.compile(rule.pattern, rule.flags)) for rule in rules)


@cache
def _name() -> re.Pattern[str]:
    return re.compile(NAME)
