"""The ways in which a text or a list is cut: each leaves a mark that says how much is not there.

Everything that is shown to a person or a model in part goes through these; a test reads the code for other slices.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

#: Stands where characters are left out.
MARK = "…"
#: Shortest limit at which the number of characters that are left out is said beside the mark.
COUNTED_FROM = 80
#: Of what is left of a text whose begin and end are kept, the part that is its begin.
_BEGIN = 2 / 3

#: What a list is made of.
_T = TypeVar("_T")


def left_out(number: int, what: str = "characters") -> str:
    """Say how much is not shown."""
    return f"{MARK} {number:,} {what} left out"


def shortened(text: str, most: int) -> str:
    """Return a text of at most *most* characters: the whole, or its begin and a mark.

    Args:
        text: Of any length.
        most: At least 1; from 80 on the mark says how many characters are left out.
    """
    return _fitted(text, most, lambda kept, note: text[:kept] + note)


def ending(text: str, most: int) -> str:
    """Return a text of at most *most* characters: the whole, or a mark and its end.

    Args:
        text: Of any length.
        most: At least 1; from 80 on the mark says how many characters are left out.
    """
    return _fitted(text, most, lambda kept, note: note.strip() + (" " if len(note) > 1 else "") + _last(text, kept))


def both_ends(text: str, most: int) -> str:
    """Return a text of at most *most* characters: the whole, or its begin, a mark in a line of its own, and its end.

    Args:
        text: Of any length.
        most: At least 1; below 80 only the begin is kept.
    """
    if most < COUNTED_FROM:
        return shortened(text, most)

    def put_together(kept: int, note: str) -> str:
        begin = round(kept * _BEGIN)
        return f"{text[:begin]}\n{note.strip()}\n{_last(text, kept - begin)}"

    return _fitted(text, most, put_together)


def first(items: Sequence[_T], most: int) -> tuple[Sequence[_T], int]:
    """Return the first items, and how many more there are, which the caller has to say."""
    return items[:most], max(0, len(items) - most)


def last(items: Sequence[_T], most: int) -> tuple[Sequence[_T], int]:
    """Return the last items, and how many more there are before them, which the caller has to say."""
    return items[max(0, len(items) - most) :], max(0, len(items) - most)


def listed(sentences: Sequence[str], most: int, *, longest: int) -> list[str]:
    """Return at most *most* sentences of at most *longest* characters; the last says how many are not there.

    Args:
        sentences: Of any number and length.
        most: At least 1.
        longest: At least 1; 40 is enough for the last one.
    """
    if len(sentences) <= most:
        return [shortened(sentence, longest) for sentence in sentences]
    shown, rest = first(sentences, most - 1)
    return [*(shortened(sentence, longest) for sentence in shown), shortened(left_out(rest, "more"), longest)]


def enumerated(names: Sequence[str], most: int, *, by: str = ", ", of: int | None = None) -> str:
    """Return names in a row, and the number of those beyond *most*: `a, b and 3 more`.

    Args:
        names: Of any number.
        most: How many are named.
        by: What stands between them.
        of: How many there are, where *names* are the first of them only.
    """
    shown, rest = first(names, most)
    rest += 0 if of is None else of - len(names)
    return by.join(shown) + (f" and {rest:,} more" if rest else "")


def _last(text: str, number: int) -> str:
    """Return the last characters of a text; none where *number* is 0."""
    return text[len(text) - number :]


def _fitted(text: str, most: int, put_together: Callable[[int, str], str]) -> str:
    """Return *text* where it fits, else what *put_together* makes of a number of characters to keep and a note."""
    if len(text) <= most:
        return text
    if most < COUNTED_FROM:
        return put_together(most - len(MARK), MARK)
    # Room for the note at its longest, two line ends with it.
    kept = most - len(f" ({left_out(len(text))})") - len("\n\n")
    return put_together(kept, f" ({left_out(len(text) - kept)})")
