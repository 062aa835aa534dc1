"""Characters that a reader does not see, or that move what they see: left out of prose, spelled out in names."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

#: Printable by Unicode's categories and yet blank: fillers, joiners, variation selectors, the empty Braille pattern.
#: U+FE0F stays: it makes emoji of symbols. Those from U+E0100 on are known as a way to smuggle text into prompts.
_BLANK = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0e\uffa0\U000e0100-\U000e01ef]"
)
#: Ends of lines in any of Unicode's forms.
_LINE_ENDS = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
#: Joins emoji into one; between anything else it is invisible.
_JOINER = "\u200d"
#: Categories of what a joiner may stand between: symbols, modifiers of skin, U+FE0F.
_JOINED = frozenset({"So", "Sk", "Mn"})
#: Stands between words of Japanese; nobody takes its width for nothing.
_WIDE_SPACE = "\u3000"
#: Characters with an escape of their own.
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
#: Stands for a character that UTF-8 cannot carry.
REPLACEMENT = "\ufffd"
_SURROGATE = re.compile("[\ud800-\udfff]")
#: Depth to which a value is looked into; what is deeper comes from nobody who means well.
MAX_DEPTH = 64


def readable(text: str) -> str:
    """Return prose without what its reader does not see; lines and tabs stay, line ends become line feeds."""
    text = _SURROGATE.sub(REPLACEMENT, _LINE_ENDS.sub("\n", text))
    if text.isprintable() and not _BLANK.search(text):
        return text
    return "".join(char for position, char in enumerate(text) if _stays(text, position, char))


def _stays(text: str, position: int, char: str) -> bool:
    """Tell whether a character of prose is kept."""
    if char == _JOINER and 0 < position < len(text) - 1:
        around = (text[position - 1], text[position + 1])
        return all(unicodedata.category(other) in _JOINED and other > "\u2000" for other in around)
    if char.isprintable():
        return not _BLANK.match(char)
    return char in "\n\t" or unicodedata.category(char) == "Zs"


def exact(text: str) -> str:
    """Return a name in one line, with an escape for each character that cannot be seen: two names never look alike."""
    if text.isprintable() and not _BLANK.search(text):
        return text
    return "".join(map(_spelled, text))


def exact_lines(text: str) -> str:
    """Return a text with its lines and tabs, and an escape for each other character that cannot be seen."""
    return "\n".join("\t".join(map(exact, line.split("\t"))) for line in text.replace("\r\n", "\n").split("\n"))


def _spelled(char: str) -> str:
    """Return a character, or its escape in Python's form."""
    if (char.isprintable() and not _BLANK.match(char)) or char == _WIDE_SPACE:
        return char
    code = ord(char)
    wide = f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
    return _NAMED.get(char, f"\\x{code:02x}" if code <= 0xFF else wide)


def without_surrogates(text: str) -> str:
    """Return a text that UTF-8 can carry: halves of surrogate pairs are replaced."""
    return _SURROGATE.sub(REPLACEMENT, text)


def encodable(value: Any, *, depth: int = MAX_DEPTH) -> Any:
    """Return a value of JSON in which every text can be carried by UTF-8.

    Raises:
        ValueError: it is nested deeper than *depth*.
    """
    if isinstance(value, str):
        return without_surrogates(value)
    if not isinstance(value, dict | list):
        return value
    if not depth:
        raise ValueError("nested too deeply")
    if isinstance(value, list):
        return [encodable(entry, depth=depth - 1) for entry in value]
    return {without_surrogates(key): encodable(entry, depth=depth - 1) for key, entry in value.items()}
