"""Finds the tests of a JavaScript or TypeScript file by its tokens: titles from the outside in, and what they hold."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from miyabi_agents.toolchains.javascript.code.source import Token, tokens

#: Deepest nesting of groups that is kept apart.
MAX_DEPTH = 200
#: Functions that open a group of tests, and those that are tests.
_GROUPS = {"describe", "context", "suite", "xdescribe", "fdescribe", "xcontext"}
_TESTS = {"it", "test", "specify", "xit", "fit", "xtest", "tape"}
#: What a test of tape or node's runner calls its argument, on which tests inside it are made: `t.test('…')`.
_ARGUMENTS = {"t", "st", "tt", "s", "ts"}
#: Tokens between the function's name and the bracket of its call: `.only.each`.
_MAX_BETWEEN = 12


@dataclass(frozen=True)
class Block:
    """One group or test of a file."""

    path: tuple[str, ...]  #: titles from the outside in
    group: bool
    digest: str  #: of its tokens, so that a change of a comment is none
    start: int  #: where it begins in the file, in characters
    end: int
    exact: bool  #: its titles are plain texts; else it stands for tests whose names are made when it runs


@dataclass(frozen=True)
class Source:
    """The tests of a file, and the digest of what stands outside of them, imports left out."""

    blocks: Sequence[Block]
    rest: str


@dataclass(frozen=True)
class _Call:
    """The call of a test's function: where its name stands, where its brackets open and close."""

    name: int
    opening: int
    closing: int
    group: bool
    table: bool


def parse(text: str) -> Source | None:
    """Return the tests of a file in order; None where its brackets do not match."""
    found = list(tokens(text))
    pairs = _pairs(found)
    if pairs is None:
        return None
    calls = [call for index in range(len(found)) if (call := _call(found, pairs, index)) is not None]
    return Source(_blocks(found, calls), _digest(_outside(found, calls)))


def _blocks(found: Sequence[Token], calls: Sequence[_Call]) -> list[Block]:
    """Return the blocks with the titles of those around them."""
    result: list[Block] = []
    around: list[tuple[_Call, str, bool]] = []
    for call in calls:
        while around and around[-1][0].closing < call.name:
            around.pop()
        title = found[call.opening + 1]
        plain = title.kind == "string" and not call.table and found[call.opening + 2].text in {",", ")"}
        exact = plain and all(entry[2] for entry in around)
        path = (*(entry[1] for entry in around), title.text)
        digest = "" if call.group else _digest(found[call.name : call.closing])
        begin, end = found[call.name].start, found[call.closing].end
        result.append(Block(path, call.group, digest, begin, end, exact))
        if len(around) < MAX_DEPTH:
            around.append((call, title.text, plain))
    return result


def _call(found: Sequence[Token], pairs: dict[int, int], index: int) -> _Call | None:
    """Return the call of a test's function whose name stands at a place; None where there is none."""
    name = found[index]
    if name.kind != "word" or name.text not in _GROUPS | _TESTS:
        return None
    member = index > 0 and found[index - 1].text == "."
    if member and not (index > 1 and found[index - 2].text in _ARGUMENTS and name.text == "test"):
        return None
    opening, table = _opening(found, pairs, index)
    if opening is None or opening + 2 >= len(found) or found[opening + 1].text == ")":
        return None
    first = found[opening + 1]
    between = {token.text for token in found[index + 1 : opening]}
    group = name.text in _GROUPS or "describe" in between
    if first.kind not in {"string", "template"} and (member or pairs[opening] == opening + 2):
        return None
    return _Call(index, opening, pairs[opening], group, table or first.kind not in {"string", "template"})


def _opening(found: Sequence[Token], pairs: dict[int, int], index: int) -> tuple[int | None, bool]:
    """Return where the brackets of a call open, behind `.only`, and behind the table of `.each(…)`."""
    table = False
    at = index + 1
    while at < len(found) and at - index <= _MAX_BETWEEN:
        token = found[at]
        if token.text == "." and token.kind == "sign":
            table = table or (at + 1 < len(found) and found[at + 1].text in {"each", "for"})
            at += 2
        elif token.text == "(" and token.kind == "sign":
            after = pairs[at] + 1
            if table and after < len(found) and found[after].text == "(":
                return after, True
            return at, table
        elif token.kind in {"string", "template"} and table:
            while at < len(found) and found[at].text != "(" and at - index < 200:
                at += 1
            return (at, True) if at in pairs else (None, table)
        else:
            break
    return None, table


def _outside(found: Sequence[Token], calls: Iterable[_Call]) -> list[Token]:
    """Return the tokens that lie in no test, without imports: what tests share."""
    kept: list[Token] = []
    at = 0
    for call in [call for call in calls if not call.group]:
        kept += found[at : call.name]
        at = max(at, call.closing + 1)
    return _without_imports([token for token in [*kept, *found[at:]] if token.text != ";"])


def _without_imports(found: Sequence[Token]) -> list[Token]:
    """Leave out statements that begin with `import`, up to the text that they name."""
    kept: list[Token] = []
    inside = False
    for token in found:
        if token.kind == "word" and token.text == "import":
            inside = True
        elif not inside:
            kept.append(token)
        elif token.kind == "string":
            inside = False
    return kept


def _digest(found: Iterable[Token]) -> str:
    """Return a digest of tokens; spaces and comments are none."""
    return hashlib.sha256("\0".join(token.text for token in found).encode("utf-8", "replace")).hexdigest()


def _pairs(found: Sequence[Token]) -> dict[int, int] | None:
    """Return where each bracket is closed; None where they do not match."""
    pairs: dict[int, int] = {}
    opened: list[int] = []
    for index, token in enumerate(found):
        if token.kind != "sign":
            continue
        if token.text in "([{":
            opened.append(index)
        elif token.text in ")]}":
            if not opened or found[opened[-1]].text + token.text not in {"()", "[]", "{}"}:
                return None
            pairs[opened.pop()] = index
    return None if opened else pairs
