"""Counts the steps that a backtracking search takes: the work of `re` without a clock.

It walks the tree that `re` itself parses a pattern into, in the order in which `re` tries. Case is never told apart,
which can only add steps.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any

Groups = dict[int, str]
Found = Iterator[tuple[int, Groups]]
ONE = {op.LITERAL, op.NOT_LITERAL, op.ANY, op.IN}
LOOKS = {op.ASSERT, op.ASSERT_NOT}
CATEGORIES = {
    op.CATEGORY_SPACE: str.isspace,
    op.CATEGORY_WORD: lambda c: c.isalnum() or c == "_",
    op.CATEGORY_DIGIT: str.isdigit,
}


def steps(pattern: str, flags: int, text: str) -> int:
    """Return how many parts of the pattern are tried while all matches in `text` are found."""
    walk, place, nodes = Walk(text), 0, tree(pattern, flags)
    while place <= len(text):
        found = next(walk.all(nodes, 0, place, {}), None)
        place = found[0] if found and found[0] > place else place + 1
    return walk.steps


@cache
def tree(pattern: str, flags: int) -> Sequence[Any]:
    return plain(_parser.parse(pattern, flags))


def plain(what: Any) -> Any:
    """Turn what `re` has parsed into tuples, which are read faster; a look behind has how far before its nodes."""
    if isinstance(what, _parser.SubPattern):
        return tuple((kind, behind(*each) if kind in LOOKS else plain(each)) for kind, each in what)
    if isinstance(what, list | tuple):
        return tuple(map(plain, what))
    return what


def behind(direction: int, nodes: Any) -> tuple[int, Any]:
    return (0 if direction > 0 else nodes.getwidth()[0], plain(nodes))


class Walk:
    def __init__(self, text: str) -> None:
        self.steps = 0
        self.text = text

    def all(self, nodes: Sequence[Any], index: int, at: int, groups: Groups) -> Found:
        while index < len(nodes) and nodes[index][0] in ONE:
            self.steps += 1
            if at >= len(self.text) or not is_one(*nodes[index], self.text[at]):
                return
            index, at = index + 1, at + 1
        if index == len(nodes):
            yield at, groups
            return
        for place, captured in self.node(*nodes[index], at, groups):
            yield from self.all(nodes, index + 1, place, captured)

    def node(self, kind: Any, what: Any, at: int, groups: Groups) -> Found:
        self.steps += 1
        if kind is op.SUBPATTERN:
            for place, captured in self.all(what[3], 0, at, groups):
                yield place, {**captured, what[0]: self.text[at:place]}
        elif kind is op.BRANCH:
            for branch in what[1]:
                yield from self.all(branch, 0, at, groups)
        elif kind in {op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT}:
            yield from self.repeat(kind, what, at, groups)
        else:
            yield from self.rare(kind, what, at, groups)

    def rare(self, kind: Any, what: Any, at: int, groups: Groups) -> Found:
        if kind is op.ATOMIC_GROUP:
            yield from first(self.all(what, 0, at, groups))
        elif kind in LOOKS:
            back, nodes = what
            found = next(self.all(nodes, 0, at - back, groups), None) if at >= back else None
            if (found is not None) == (kind is op.ASSERT):
                yield at, groups
        elif kind is op.GROUPREF:
            if self.text.startswith(groups[what], at):
                yield at + len(groups[what]), groups
        elif self.at(what, at):
            yield at, groups

    def repeat(self, kind: Any, what: Any, at: int, groups: Groups) -> Found:
        nodes = what[2]
        if len(nodes) == 1 and nodes[0][0] in ONE:
            found = self.run(kind is op.MIN_REPEAT, what, at, groups)
        else:
            found = self.times(kind is op.MIN_REPEAT, what, (0, at), groups)
        return first(found) if kind is op.POSSESSIVE_REPEAT else found

    def run(self, lazy: bool, what: Any, at: int, groups: Groups) -> Found:
        least, most, nodes = what
        end = at
        while end < len(self.text) and end - at < most and is_one(*nodes[0], self.text[end]):
            end += 1
            self.steps += not lazy
        ends = range(at + least, end + 1)
        for place in ends if lazy else reversed(ends):
            self.steps += 1
            yield place, groups

    def times(self, lazy: bool, what: Any, so_far: tuple[int, int], groups: Groups) -> Found:
        least, most, nodes = what
        count, at = so_far
        if lazy and count >= least:
            yield at, groups
        if count < most:
            for place, captured in self.all(nodes, 0, at, groups):
                if place > at:
                    yield from self.times(lazy, what, (count + 1, place), captured)
        if not lazy and count >= least:
            yield at, groups

    def at(self, what: Any, at: int) -> bool:
        if what is op.AT_BOUNDARY:
            around = [0 <= n < len(self.text) and is_word(self.text[n]) for n in (at - 1, at)]
            return around[0] != around[1]
        assert what in {op.AT_END, op.AT_END_STRING}, what
        return at == len(self.text) or (what is op.AT_END and self.text[at:] == "\n")


def first(found: Found) -> Found:
    for each in found:
        yield each
        return


@cache
def is_word(character: str) -> bool:
    return re.fullmatch(r"\w", character) is not None


def is_one(kind: Any, what: Any, character: str) -> bool:
    if kind is op.ANY:
        return character != "\n"
    if kind is op.IN:
        negated = what[0][0] is op.NEGATE
        return any(is_in(*each, character) for each in what[negated:]) != negated
    return is_in(op.LITERAL, what, character) == (kind is op.LITERAL)


@cache
def is_in(kind: Any, what: Any, character: str) -> bool:
    cases = {ord(character.lower()), ord(character.upper())}
    if kind is op.LITERAL:
        return what in cases
    if kind is op.RANGE:
        return any(what[0] <= each <= what[1] for each in cases)
    return CATEGORIES[what](character)
