"""Finds what a text that is not in a file was most likely meant to be, and says what differs."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from difflib import SequenceMatcher

from miyabi_core.text import exact, shortened

#: Lines of the text, and of the file around it, that are shown.
MAX_SHOWN = 12
#: Longest line that is shown.
MAX_LINE = 200
#: Lines that are compared letter by letter where no line is the same: enough for most files, and done within a second.
MAX_COMPARED = 3000
#: A line that is less alike than this is not what was meant.
MIN_RATIO = 0.6


def nearest(old: str, lines: Sequence[str]) -> str:
    """Return in words where a file comes nearest to a text, with line numbers and what differs; empty: nowhere.

    Args:
        old: The text that is not there.
        lines: Those of the file, without their ends.
    """
    wanted = old.split("\n")
    if wanted[-1] == "":
        wanted.pop()
    start = _start(wanted, lines)
    if start is None:
        return ""
    there = lines[start : start + len(wanted)]
    pairs = [(at, have, want) for at, (have, want) in enumerate(zip(there, wanted, strict=False)) if have != want]
    shown = pairs[:MAX_SHOWN]
    told = [
        f"line {start + at + 1} is   {_line(have)}\nold_str has {_line(want)}{_kind(have, want)}"
        for at, have, want in shown
    ]
    if len(pairs) > len(shown):
        told.append(f"({len(pairs) - len(shown)} more lines differ)")
    if len(there) < len(wanted):
        told.append(f"the file ends at line {len(lines)}, old_str goes on")
    last = start + len(there)
    where = f"line {start + 1}" if len(there) == 1 else f"lines {start + 1}-{last}"
    return f"the nearest text is in {where}:\n" + "\n".join(told or ["(line ends differ)"])


def _start(wanted: Sequence[str], lines: Sequence[str]) -> int | None:
    """Return where the lines begin that are most like those that were wanted."""
    plain = [_plain(line) for line in lines]
    votes: Counter[int] = Counter()
    places: dict[str, list[int]] = {}
    for at, line in enumerate(plain):
        places.setdefault(line, []).append(at)
    for offset, line in enumerate(wanted):
        key = _plain(line)
        found = places.get(key, []) if key else []
        # Lines that stand everywhere (`else:`) say nothing of the place.
        votes.update(at - offset for at in found[:200] if at >= offset)
    if votes:
        best = max(votes.values())
        return min(start for start, count in votes.items() if count == best)
    return _most_alike(wanted, plain)


def _most_alike(wanted: Sequence[str], plain: Sequence[str]) -> int | None:
    """Return where the lines begin by the line that is most like the longest of those that were wanted."""
    offset = max(range(len(wanted)), key=lambda at: len(_plain(wanted[at])), default=0)
    matcher = SequenceMatcher(None, autojunk=False)
    matcher.set_seq2(_plain(wanted[offset])[:MAX_LINE] if wanted else "")
    best, found = MIN_RATIO, None
    for at, line in enumerate(plain[:MAX_COMPARED]):
        matcher.set_seq1(line[:MAX_LINE])
        if at < offset or matcher.real_quick_ratio() <= best or matcher.quick_ratio() <= best:
            continue
        if matcher.ratio() > best:
            best, found = matcher.ratio(), at - offset
    return found


def _plain(line: str) -> str:
    """Return a line with what is mistaken most often left out: white space, and the form of characters."""
    return " ".join(unicodedata.normalize("NFKC", line).split())


def _kind(have: str, want: str) -> str:
    """Say what the difference is, where it is one that cannot be seen."""
    if have.strip() == want.strip():
        return "\n(only the white space at its begin or end differs)"
    if "".join(have.split()) == "".join(want.split()):
        return "\n(only white space differs)"
    if unicodedata.normalize("NFKC", have) == unicodedata.normalize("NFKC", want):
        return "\n(only the form of characters differs)"
    return ""


def _line(text: str) -> str:
    """Return a line with what cannot be seen spelled out."""
    return f"`{shortened(exact(text), MAX_LINE)}`"
