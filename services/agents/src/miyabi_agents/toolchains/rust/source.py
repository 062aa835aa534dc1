"""Reads Rust as tokens, in linear time: the tests of a file by their modules, and its block of tests."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

#: Longest file that is looked at.
MAX_CHARACTERS = 1 << 20
#: Deepest nesting of modules.
MAX_DEPTH = 100
#: One token. A raw string's end is looked for by hand, since it depends on its beginning.
_TOKEN = re.compile(
    r"""\s+|(?P<comment>//[^\n]*|/\*(?:[^*]|\*(?!/))*(?:\*/)?)|(?P<raw>b?c?r(?P<marks>\#{0,20})")"""
    r"""|(?P<text>b?"(?:[^"\\]|\\.)*"?|b?'(?:\\[^\n]{1,10}?|[^'\\\n])')|(?P<word>\w+)|(?P<sign>.)""",
    re.DOTALL,
)
_OPEN, _CLOSE = "([{", ")]}"


@dataclass(frozen=True)
class Test:
    """One test function, or one call of a macro that makes one."""

    path: tuple[str, ...]  #: its modules inside the file, and its name
    digest: str
    start: int
    end: int


@dataclass(frozen=True)
class File:
    """The tests of a file, and the digest of what its test modules share beside them."""

    tests: Sequence[Test]
    shared: str
    #: Where the block `#[cfg(test)] mod … { … }` begins and ends; None where there is none, or more than one.
    block: tuple[int, int] | None


def _tokens(text: str) -> list[tuple[str, int, int]]:
    """Return the tokens of a file with their places, without spaces and comments."""
    found: list[tuple[str, int, int]] = []
    position = 0
    text = text[:MAX_CHARACTERS]
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            break
        begin, position = position, match.end()
        if match["raw"] is not None:
            end = text.find('"' + match["marks"], position)
            position = len(text) if end < 0 else end + 1 + len(match["marks"])
            found.append((text[begin:position], begin, position))
        elif match.lastgroup in {"text", "word", "sign"}:
            found.append((match[0], begin, position))
    return found


def parse(text: str) -> File | None:
    """Return the tests of a file; None where its brackets do not match."""
    found = _tokens(text)
    pairs = _pairs(found)
    if pairs is None:
        return None
    tests: list[tuple[int, int, Test]] = []
    modules: list[tuple[int, str]] = []
    blocks: list[tuple[int, int]] = []
    attributes: list[str] = []
    begin = index = 0
    while index < len(found):
        while modules and modules[-1][0] < index:
            modules.pop()
        word = found[index][0]
        if word == "#" and index + 1 < len(found) and found[index + 1][0] == "[":
            begin = begin if attributes else index
            close = pairs[index + 1]
            attributes.append("".join(entry[0] for entry in found[index + 2 : close]))
            index = close + 1
            continue
        path = tuple(name for _, name in modules)
        if word == "mod" and index + 2 < len(found) and found[index + 2][0] == "{" and len(modules) < MAX_DEPTH:
            modules.append((pairs[index + 2], found[index + 1][0]))
            if any(entry.startswith("cfg(") and "test" in entry for entry in attributes):
                blocks.append((found[begin][1] if attributes else found[index][1], found[pairs[index + 2]][2]))
            attributes, index = [], index + 3
        elif word == "fn" and any(_marks(entry) for entry in attributes) and index + 1 < len(found):
            end = _body(found, pairs, index)
            tests.append((begin, end, _test(found, begin, end, (*path, found[index + 1][0]))))
            attributes, index = [], end + 1
        elif _makes_test(found, index):
            end = pairs[index + 2]
            tests.append((index, end, _test(found, index, end, (*path, found[index + 3][0]))))
            attributes, index = [], end + 1
        else:
            attributes = attributes if word in {"pub", "async", "unsafe", "const", "extern"} else []
            index += 1
    shared = _outside(found, tests) if tests else []
    return File([test for _, _, test in tests], _digest(shared), blocks[0] if len(blocks) == 1 else None)


def _outside(found: Sequence[tuple[str, int, int]], tests: Sequence[tuple[int, int, Test]]) -> list[str]:
    """Return the words of a file that lie in none of its tests."""
    return [entry[0] for place, entry in enumerate(found) if entry[0] != ";" and not _within(place, tests)]


def _within(place: int, tests: Sequence[tuple[int, int, Test]]) -> bool:
    """Tell whether a token lies in one of the tests; they are in order."""
    low, high = 0, len(tests)
    while low < high:
        middle = (low + high) // 2
        if tests[middle][1] < place:
            low = middle + 1
        else:
            high = middle
    return low < len(tests) and tests[low][0] <= place


def _marks(attribute: str) -> bool:
    """Tell whether an attribute makes a function a test: `tokio::test`, `rstest`, `test_case(…)`."""
    name = re.split(r"[(=]", attribute, maxsplit=1)[0]
    return name.split("::")[-1] in {
        "test",
        "rstest",
        "test_case",
        "quickcheck",
        "wasm_bindgen_test",
        "proptest",
        "test_log",
    }


def _makes_test(found: Sequence[tuple[str, int, int]], index: int) -> bool:
    """Tell whether a macro whose name says `test` is called with a name first: `rgtest!(name, …)`."""
    words = [entry[0] for entry in found[index : index + 5]]
    return (
        len(words) == 5
        and "test" in words[0]
        and words[1] == "!"
        and words[2] in _OPEN
        and words[3].isidentifier()
        and words[4] in {",", ";", ")", "}", "=", ":", "("}
    )


def _body(found: Sequence[tuple[str, int, int]], pairs: dict[int, int], index: int) -> int:
    """Return where a function ends: its block, or the semicolon of one without."""
    at = index
    while at < len(found):
        word = found[at][0]
        if word == "{":
            return pairs[at]
        if word == ";":
            return at
        at = pairs[at] + 1 if word in {"(", "["} else at + 1
    return len(found) - 1


def _test(found: Sequence[tuple[str, int, int]], begin: int, end: int, path: tuple[str, ...]) -> Test:
    """Return one test."""
    return Test(path, _digest([entry[0] for entry in found[begin : end + 1]]), found[begin][1], found[end][2])


def _digest(words: Sequence[str]) -> str:
    """Return a digest of tokens."""
    return hashlib.sha256("\0".join(words).encode("utf-8", "replace")).hexdigest()


def _pairs(found: Sequence[tuple[str, int, int]]) -> dict[int, int] | None:
    """Return where each bracket is closed; None where they do not match."""
    pairs: dict[int, int] = {}
    opened: list[int] = []
    for index, (word, _, _) in enumerate(found):
        if word in {"(", "[", "{"}:
            opened.append(index)
        elif word in {")", "]", "}"}:
            if not opened or _OPEN.index(found[opened[-1]][0]) != _CLOSE.index(word):
                return None
            pairs[opened.pop()] = index
    return None if opened else pairs


def graft(before: bytes, after: bytes) -> bytes | None:
    """Return base's source with the change's block of tests in it; None where either has not exactly one.

    Tests of Rust often lie in the file that they test; so the change's tests are laid over base without the change.
    """
    old_text, new_text = before.decode("utf-8", "replace"), after.decode("utf-8", "replace")
    old, new = parse(old_text), parse(new_text)
    if old is None or new is None or new.block is None:
        return None
    block = new_text[new.block[0] : new.block[1]]
    if old.block is None:
        return None if old.tests else f"{old_text}\n{block}\n".encode()
    return f"{old_text[: old.block[0]]}{block}{old_text[old.block[1] :]}".encode()
