"""Reads JavaScript and TypeScript as tokens, in linear time, and what a file imports."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

#: Longest file that is looked at: some seconds at worst. A longer one is cut, so that its brackets do not match.
MAX_CHARACTERS = 400_000
#: One token. Every alternative takes what it begins to its end or to the end of the file, so that none is tried twice.
_TOKEN = re.compile(
    r"""(?P<space>\s+)|(?P<comment>//[^\n]*|/\*(?:[^*]|\*(?!/))*(?:\*/)?)"""
    r"""|(?P<string>"(?:[^"\\\n]|\\.)*"?|'(?:[^'\\\n]|\\.)*'?)"""
    r"""|(?P<word>[A-Za-z_$\u0080-\uffff][\w$\u0080-\uffff]*)|(?P<number>\d[\w.]*)|(?P<tick>`)|(?P<other>.)""",
    re.DOTALL,
)
_TEMPLATE = re.compile(r"(?P<text>(?:[^`\\$]|\\.|\$(?!\{))*)(?P<end>`|\$\{)?", re.DOTALL)
#: What follows `from`, `import`, `require(` and the like; bounded, so that each place is looked at once.
_IMPORT = re.compile(
    r"""\b(?:from|import|require|mock|importActual|resolve)[ \t]{0,9}(?:\([ \t\n]{0,99})?"""
    r"""(?:"([^"'\n]{1,300})"|'([^"'\n]{1,300})')"""
)
_REGEX = re.compile(r"/(?:[^/\\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\]?)*/?[a-z]*")
#: Words after which a slash begins a regular expression.
_BEFORE_REGEX = {
    "return",
    "typeof",
    "case",
    "in",
    "of",
    "delete",
    "void",
    "throw",
    "new",
    "else",
    "do",
    "await",
    "yield",
}


class Token(NamedTuple):
    """One token: a word, a string (its content), a template, a number, a regular expression or a sign."""

    kind: str
    text: str
    start: int
    end: int


def tokens(text: str) -> Iterator[Token]:
    """Split a file into tokens without space and comments."""
    position, last = 0, Token("sign", "", 0, 0)
    templates: list[int] = []
    depth = 0
    text = text[:MAX_CHARACTERS]
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            return
        kind = match.lastgroup or "other"
        begin, position = position, match.end()
        if kind in {"space", "comment"}:
            continue
        value = match[0]
        closes = value == "}" and bool(templates) and templates[-1] == depth
        if kind == "tick" or closes:
            template = _TEMPLATE.match(text, position)
            position = template.end() if template else len(text)
            opened = bool(template and template["end"] == "${")
            if closes:
                templates.pop()
            if opened:
                templates.append(depth)
            plain = template["text"] if template and kind == "tick" and not opened else ""
            last = Token("template" if opened or closes else "string", plain, begin, position)
        elif value == "/" and _begins_regex(last):
            regex = _REGEX.match(text, begin)
            position = max(position, regex.end() if regex else position)
            last = Token("regex", text[begin:position], begin, position)
        else:
            depth += {"{": 1, "}": -1}.get(value, 0) if kind == "other" else 0
            last = Token("sign" if kind == "other" else kind, _content(value, kind), begin, position)
        yield last


def _content(value: str, kind: str) -> str:
    """Return a string without its quotes and with its common escapes read; anything else as it is."""
    if kind != "string":
        return value
    text = value[1:-1] if len(value) > 1 and value[-1] == value[0] else value[1:]
    return re.sub(
        r"\\(.)", lambda found: {"n": "\n", "t": "\t", "r": "\r"}.get(found[1], found[1]), text, flags=re.DOTALL
    )


def _begins_regex(last: Token) -> bool:
    """Tell whether a slash after a token begins a regular expression rather than dividing."""
    if last.kind == "word":
        return last.text in _BEFORE_REGEX
    return last.kind == "sign" and last.text not in {")", "]", "}"}


def imports(text: str) -> list[str]:
    """Return what a file imports, requires or exports from, in order; what only looks like it, in a comment, too."""
    return [match[1] or match[2] for match in _IMPORT.finditer(text[:MAX_CHARACTERS])]
